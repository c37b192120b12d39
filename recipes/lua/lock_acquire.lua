-- KEYS: the lock, the last token, whether the owner has given this call up. ARGV: the owner, the time to live in milliseconds.
-- Replies with the token and 0, or with 0 and the milliseconds after which the lock of another owner expires.
local held = redis.call('HMGET', KEYS[1], 'owner', 'token')
if held[1] == ARGV[1] then
  -- The owner asks again, because it did not get the reply.
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {tonumber(held[2]), 0}
end
if held[1] then
  return {0, redis.call('PTTL', KEYS[1])}
end
if redis.call('EXISTS', KEYS[3]) == 1 then
  return {0, 0}
end
-- Tokens grow: the clock makes them grow also when a failover has lost the last one.
local time = redis.call('TIME')
local token = math.max((redis.call('GET', KEYS[2]) or 0) + 1, time[1] * 1000000 + time[2])
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', text)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {token, 0}
