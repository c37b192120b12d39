-- A sliding window. KEYS: what was let through, each unit with its microsecond. ARGV: the length of the window in microseconds, the limit,
-- the units that are asked for, the name of this call. Replies as limit_gcra.lua does.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window, limit, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local begin = string.format('%.0f', now - window)
-- What is later than now was let through by a clock that has been set back since: it counts as of now.
for _, unit in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), unit)
end
local used = redis.call('ZCOUNT', KEYS[1], '(' .. begin, '+inf')
if redis.call('ZSCORE', KEYS[1], ARGV[4] .. ':1') then
  -- The call is made again, because its reply was lost.
  return {1, math.max(limit - used, 0), 0}
end
local missing = used + cost - limit
if missing > 0 then
  local last = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. begin, '+inf', 'WITHSCORES', 'LIMIT', missing - 1, 1)
  return {0, math.max(limit - used, 0), last[2] and last[2] + window - now or window}
end
for unit = 1, cost do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[4] .. ':' .. unit)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', begin)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(window / 1000)))
return {1, limit - used - cost, 0}
