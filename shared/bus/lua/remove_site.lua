-- Forgets a site that was deleted, once its stations are free of it; not where somebody has written it anew.
--
-- KEYS[1]  site:{name}:lease   KEYS[2]  site:{name}:doc   KEYS[3]  idx:sites   KEYS[4]  idx:sites:rounds
-- KEYS[5..]  its other keys
-- ARGV[1]  who allocates for it   ARGV[2]  site   ARGV[3]  the document as it was seen
--
-- Returns 1 forgotten, 0 not.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[4], ARGV[2])
for i = 5, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
