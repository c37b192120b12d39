-- KEYS: the permits. ARGV: the owner. Replies with 1 if the owner still had a permit.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
redis.call('ZREM', KEYS[1], ARGV[1])
return held > now and 1 or 0
