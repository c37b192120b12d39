-- KEYS: the permits. ARGV: the owner, the time to live in microseconds. Replies with 1 if the owner still has a permit.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) <= now then
  return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.ceil(last[2] / 1000)))
return 1
