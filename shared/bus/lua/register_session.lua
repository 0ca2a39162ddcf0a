-- A station's socket gets its epoch: above every earlier one, also after a failover or a deletion of the station.
-- KEYS[1]  the station's session hash
-- KEYS[2]  its presence key
-- ARGV[1]  the node that holds the socket
-- ARGV[2]  the TTL of the presence, in ms
-- ARGV[3]  the address that the socket comes from
-- Returns  {epoch, node before ('' where that socket is known to be gone), epoch before (0: none), address before}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HMGET', KEYS[1], 'epoch', 'node', 'address')
local last = tonumber(before[1] or '0')
local epoch = math.max(last + 1, now)
-- %.0f, for tostring would write 1.7e+12.
local text = string.format('%.0f', epoch)
redis.call('HSET', KEYS[1], 'epoch', text, 'node', ARGV[1], 'address', ARGV[3])
redis.call('SET', KEYS[2], ARGV[1] .. '/' .. text, 'PX', ARGV[2])
return {epoch, before[2] or '', last, before[3] or ''}
