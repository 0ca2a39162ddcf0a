-- Gives up a lease, only where it is still the holder's own.
-- KEYS[1]  the lease   ARGV[1]  holder
-- Returns  1 given up, 0 it was not the holder's any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
