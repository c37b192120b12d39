-- KEYS: the request. ARGV: the caller, the result, the time to live of the result in milliseconds. Replies with 1 if the result is stored.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'result', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
