-- GCRA. KEYS: the theoretical arrival time (TAT) in microseconds. ARGV: microseconds for each unit, the burst in units, the units that are
-- asked for. Replies with whether they are let through, what is left of the burst, and the microseconds until as many would be let through.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tolerance = interval * burst
-- Larger numbers are no integers of the server.
local most = 9007199254740991
-- A TAT further away than the burst was made by a clock that has been set back since.
local tat = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now), now + tolerance)
local wait = tat + interval * cost - now - tolerance
if wait > 0 then
  return {0, math.floor((now + tolerance - tat) / interval), math.min(wait, most)}
end
tat = tat + interval * cost
local expires = math.min(math.max(math.ceil((tat - now) / 1000), 1), most)
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', string.format('%.0f', expires))
return {1, math.floor((now + tolerance - tat) / interval), 0}
