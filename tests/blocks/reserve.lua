-- reserve.lua
local left = tonumber(redis.call('GET', KEYS[1]) or '0')
local count = tonumber(ARGV[1])
if left < count then
    return false
end
redis.call('HSET', KEYS[2], 'count', count)
if ARGV[2] == 'NOTE' then
    redis.call('HSET', KEYS[2], 'note', ARGV[3])
end
return redis.call('DECRBY', KEYS[1], count)
