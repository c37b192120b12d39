-- KEYS: the payloads, when each dead job died, the reasons. ARGV: how many at most, which is more than 0.
-- Replies with the jobs that died first: name, reason, payload.
local dead = {}
for _, job in ipairs(redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)) do
  dead[#dead + 1] = {job, redis.call('HGET', KEYS[3], job), redis.call('HGET', KEYS[1], job)}
end
return dead
