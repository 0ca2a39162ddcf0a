#!lua flags=allow-oom
-- Ends a job once all of its stations have, and tells.
--
-- KEYS[1]  j:{id}:job   KEYS[2]  idx:jobs:active   KEYS[3]  idx:jobs:ended   KEYS[4]  events
-- KEYS[5..]  the places where stations are that have not ended
-- ARGV[1]  id   ARGV[2]  now (ms)   ARGV[3]  packed events
--
-- Returns 1 ended, 0 not yet, or before.
local state, ended = unpack(redis.call('HMGET', KEYS[1], 'state', 'ended_at'))
if not state then
  redis.call('HDEL', KEYS[2], ARGV[1])
  return 0
end
for place = 5, #KEYS do
  if redis.call('EXISTS', KEYS[place]) == 1 then return 0 end
end
if ended then return 0 end
if state ~= 'cancelled' then redis.call('HSET', KEYS[1], 'state', 'done') end
redis.call('HSET', KEYS[1], 'ended_at', ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('XADD', KEYS[4], '*', 'v', ARGV[3])
return 1
