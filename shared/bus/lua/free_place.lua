#!lua flags=allow-oom
-- Takes a place under an id tag's limit from a holder, only where it was not given anew meanwhile.
--
-- KEYS[1]  t:{tag}:holders     ARGV[1]  holder     ARGV[2]  since when it held the place, as it was read
--
-- Returns 1 freed, 0 kept.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
