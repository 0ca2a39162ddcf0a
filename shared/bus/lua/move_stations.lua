-- Moves stations of a job from one place to another; each keeps its score.
--
-- KEYS[1]  from   KEYS[2]  to
-- ARGV     stations
--
-- Returns how many were there.
local moved = 0
for i = 1, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('ZADD', KEYS[2], score, ARGV[i])
    moved = moved + 1
  end
end
return moved
