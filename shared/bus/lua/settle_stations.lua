#!lua flags=allow-oom
-- Counts results of a job's stations, each station's first one only.
--
-- KEYS[1]  j:{id}:job   KEYS[2]  j:{id}:stations   KEYS[3]  j:{id}:results   KEYS[4]  j:{id}:ended
-- KEYS[5..]  the places where stations are that have not ended
-- ARGV     station, outcome, packed result, station ...
--
-- Returns the outcomes that are new.
local new = {}
for i = 1, #ARGV, 3 do
  local station = ARGV[i]
  if redis.call('ZSCORE', KEYS[2], station) and redis.call('HSETNX', KEYS[3], station, ARGV[i + 2]) == 1 then
    redis.call('HINCRBY', KEYS[1], 'n:' .. ARGV[i + 1], 1)
    new[#new + 1] = ARGV[i + 1]
  end
  for place = 5, #KEYS do redis.call('ZREM', KEYS[place], station) end
  redis.call('HDEL', KEYS[4], station)
end
return new
