-- KEYS: when each job is due, the payloads. ARGV: the job, its payload, the delay in microseconds.
-- A job of this name that is in the queue stays as it is.
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 1 then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[1], string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[3]), ARGV[1])
end
return redis.status_reply('OK')
