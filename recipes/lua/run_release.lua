-- KEYS: the request. ARGV: the caller. Replies with 1 if the caller was running and had no result yet.
local known = redis.call('HMGET', KEYS[1], 'owner', 'result')
if known[1] == ARGV[1] and not known[2] then
  return redis.call('DEL', KEYS[1])
end
return 0
