-- KEYS: the request, whether the caller has given this call up. ARGV: the caller, the time to live of a run in milliseconds.
-- Replies with 0 and the milliseconds until the run of another caller expires; with 1: the caller may run; with 2 and the stored result.
local known = redis.call('HMGET', KEYS[1], 'owner', 'result')
if known[2] then
  return {2, 0, known[2]}
end
if known[1] and known[1] ~= ARGV[1] then
  return {0, redis.call('PTTL', KEYS[1]), false}
end
if not known[1] and redis.call('EXISTS', KEYS[2]) == 1 then
  return {0, 0, false}
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {1, 0, false}
