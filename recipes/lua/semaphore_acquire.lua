-- KEYS: the permits, each with the microsecond in which it expires; whether the owner has given this call up. ARGV: the owner, how many permits
-- there are, the time to live in microseconds. Replies with 0 if the owner has a permit now, otherwise with the microseconds after which the next permit expires.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if held <= now then
  if redis.call('EXISTS', KEYS[2]) == 1 then
    return tonumber(ARGV[3])
  end
  local first = string.format('(%.0f', now)
  if redis.call('ZCOUNT', KEYS[1], first, '+inf') >= tonumber(ARGV[2]) then
    local next = redis.call('ZRANGEBYSCORE', KEYS[1], first, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    -- If there are no permits at all, none expires.
    return next[2] and next[2] - now or tonumber(ARGV[3])
  end
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
-- The key lives as long as its last permit.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.ceil(last[2] / 1000)))
return 0
