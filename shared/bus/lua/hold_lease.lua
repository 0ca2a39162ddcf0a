-- Takes a lease that nobody has, or renews one's own.
-- KEYS[1]  the lease   ARGV[1]  holder   ARGV[2]  for how long (ms)
-- Returns  1 held, 0 somebody else's.
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if holder ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
