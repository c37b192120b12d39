-- KEYS: when each job is due, the deliveries. ARGV: the job, its delivery, the visibility timeout in microseconds.
-- Replies with 1 if the job is still that of this delivery.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[3]), ARGV[1])
return 1
