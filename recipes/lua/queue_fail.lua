-- KEYS: when each job is due, the deliveries, when each dead job died, the reasons. ARGV: the job, its delivery, the pause before the next one
-- in microseconds, how often it is delivered at most (0: no limit), the reason.
-- Replies with 0 if the job was delivered again or done since, 1 if it will be delivered again, 2 if it is dead.
local delivery = redis.call('HGET', KEYS[2], ARGV[1])
if delivery ~= ARGV[2] then
  return 0
end
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  -- The call is made again, perhaps by a program that has another limit.
  return 2
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local most = tonumber(ARGV[4])
if most > 0 and tonumber(string.match(delivery, '^%d+')) >= most then
  redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[1])
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[5])
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 2
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[1])
return 1
