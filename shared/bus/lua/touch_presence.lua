-- A station gave a sign of life.
-- KEYS[1]  the station's session hash
-- KEYS[2]  its presence key
-- ARGV[1]  the node, ARGV[2] the epoch of the socket, ARGV[3] the TTL in ms
-- Returns  1 where that is the newest epoch, else 0 and nothing changes.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[1] .. '/' .. ARGV[2], 'PX', ARGV[3])
return 1
