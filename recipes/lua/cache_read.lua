-- KEYS: the entry, the load, whether the caller has given this call up. ARGV: the caller, the time to live of a load in milliseconds, how many times
-- the duration of the last load before its end the entry is refreshed, whether the caller cannot read the entry (1), so that it counts as absent.
-- Replies with 0 and the milliseconds until the load of another caller expires; with 1 and the value; with 2: the caller has to load, and the value
-- if there is one that is still valid.
local entry = redis.call('HMGET', KEYS[1], 'value', 'end', 'took')
local value = ARGV[4] ~= '1' and entry[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if value and now + entry[3] * ARGV[3] < tonumber(entry[2]) then
  return {1, 0, value}
end
local loader = redis.call('HGET', KEYS[2], 'owner')
if loader and loader ~= ARGV[1] then
  if value then
    return {1, 0, value}
  end
  return {0, redis.call('PTTL', KEYS[2]), false}
end
if not loader and redis.call('EXISTS', KEYS[3]) == 1 then
  return {0, 0, false}
end
redis.call('HSET', KEYS[2], 'owner', ARGV[1], 'since', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {2, 0, value}
