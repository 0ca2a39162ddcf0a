-- A station closed its socket itself: it is gone at once, unless a newer socket is there.
-- KEYS[1]  the station's session hash
-- KEYS[2]  its presence key
-- ARGV[1]  the epoch of the socket
-- Returns  1 where that was the newest epoch, else 0 and nothing changes.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'node', '')
redis.call('DEL', KEYS[2])
return 1
