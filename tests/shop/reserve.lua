-- KEYS: the stock, the order. ARGV: how many; NOTE and a text.
local left = tonumber(redis.call('GET', KEYS[1]) or 0)
local count = tonumber(ARGV[1])
if left < count then
  return false
end
redis.call('HINCRBY', KEYS[2], 'count', count)
if ARGV[2] == 'NOTE' then
  redis.call('HSET', KEYS[2], 'note', ARGV[3])
end
return redis.call('DECRBY', KEYS[1], count)
