-- KEYS: when each job is due, the payloads, the deliveries, when each dead job died, the reasons. ARGV: the job, its delivery.
-- Replies with 1 if the job is done now or was done before, and with 0 if it was delivered again since.
if redis.call('HGET', KEYS[3], ARGV[1]) == ARGV[2] then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('HDEL', KEYS[5], ARGV[1])
  return 1
end
return 1 - redis.call('HEXISTS', KEYS[2], ARGV[1])
