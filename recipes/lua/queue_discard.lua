-- KEYS: the payloads, the deliveries, when each dead job died, the reasons. ARGV: the job. Replies with 1 if the job was dead; it is gone now.
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return 1
