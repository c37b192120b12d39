-- KEYS: the request. ARGV: the caller, the time to live of a run in milliseconds. Replies with 1 if the caller still runs.
local known = redis.call('HMGET', KEYS[1], 'owner', 'result')
if known[1] == ARGV[1] and not known[2] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
