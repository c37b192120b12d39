-- KEYS: the entry, the load. ARGV: the caller, the value, its time to live in milliseconds.
-- Replies with 1 if the value was stored, and with 0 if the caller's load has ended: it expired, or the entry was forgotten meanwhile.
local load = redis.call('HMGET', KEYS[2], 'owner', 'since')
if load[1] ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local took = string.format('%.0f', math.max(now - load[2], 0))
redis.call('HSET', KEYS[1], 'value', ARGV[2], 'end', string.format('%.0f', now + ARGV[3] * 1000), 'took', took)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('DEL', KEYS[2])
return 1
