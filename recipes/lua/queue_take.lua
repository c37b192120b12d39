-- KEYS: when each job is due, the payloads, the deliveries, when each dead job died, the reasons. ARGV: the receipt of this delivery, the
-- visibility timeout in microseconds, how often a job is delivered at most (0: no limit).
-- Replies with the microseconds until the next job is due (-1: there is none), and the job, its deliveries and its payload, or nil.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local most = tonumber(ARGV[3])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, 100)
for _, job in ipairs(due) do
  local deliveries = tonumber(string.match(redis.call('HGET', KEYS[3], job) or '0', '^%d+')) + 1
  if most > 0 and deliveries > most then
    -- Its last delivery was neither done nor failed: its worker has probably died from it.
    redis.call('ZADD', KEYS[4], string.format('%.0f', now), job)
    redis.call('HSET', KEYS[5], job, 'it was not done within its visibility timeout')
    redis.call('ZREM', KEYS[1], job)
  else
    redis.call('HSET', KEYS[3], job, deliveries .. ':' .. ARGV[1])
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), job)
    return {0, {job, deliveries, redis.call('HGET', KEYS[2], job)}}
  end
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {next[2] and math.max(next[2] - now, 0) or -1, false}
