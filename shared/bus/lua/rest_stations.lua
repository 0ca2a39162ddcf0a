#!lua flags=allow-oom
-- Lets stations of a campaign wait for another attempt after one that failed, or for another time where it did not begin.
--
-- KEYS[1]  from: w:{id}:at:active   KEYS[2]  to: w:{id}:at:resting   KEYS[3]  w:{id}:tries   KEYS[4]  w:{id}:ended
-- ARGV     station, the attempt that is over, when the next may begin (ms), the next attempt, station ...
--
-- Returns how many were moved: none twice, for the attempt must be the one that is under way.
local moved = 0
for i = 1, #ARGV, 4 do
  local station = ARGV[i]
  if (redis.call('HGET', KEYS[3], station) or '1:1') == ARGV[i + 1] and redis.call('ZREM', KEYS[1], station) == 1 then
    redis.call('ZADD', KEYS[2], ARGV[i + 2], station)
    redis.call('HSET', KEYS[3], station, ARGV[i + 3])
    moved = moved + 1
  end
  redis.call('HDEL', KEYS[4], station)
end
return moved
