-- KEYS: the request. ARGV: the caller, the time to live of a run in milliseconds. Replies with 1 if the run is still that of the caller.
local known = redis.call('HMGET', KEYS[1], 'owner', 'result')
if known[1] ~= ARGV[1] then
  return 0
end
if known[2] then
  -- It was finished while this call was on its way. The result has its own time to live.
  return 1
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
