-- A socket is gone: nobody holds the station, unless a newer socket is there.
-- KEYS[1]  the station's session hash
-- KEYS[2]  its presence key
-- ARGV[1]  the epoch of the socket
-- ARGV[2]  1 where the station left by itself and is gone at once, 0 where it is expected back until its presence ends
-- Returns  1 where that was the newest epoch, else 0 and nothing changes.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'node', '')
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[2])
end
return 1
