-- KEYS: when each job is due, the deliveries, when each dead job died, the reasons. ARGV: the job.
-- Replies with 1 if the job was dead; it is due now, as if it had never been delivered.
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  return 0
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], string.format('%.0f', time[1] * 1000000 + time[2]), ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return 1
