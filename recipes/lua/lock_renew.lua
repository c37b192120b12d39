-- KEYS: the lock. ARGV: the owner, the time to live in milliseconds. Replies with 1 if the lock is still that of the owner.
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
