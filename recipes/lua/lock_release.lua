-- KEYS: the lock. ARGV: the owner. Replies with 1 if the lock was that of the owner.
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
