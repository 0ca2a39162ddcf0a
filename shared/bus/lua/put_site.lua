-- Writes a site's document where nobody else was faster, and none of its stations is in another site.
--
-- KEYS[1]  site:{name}:doc   KEYS[2]  idx:sites   KEYS[3]  idx:sites:stations
-- ARGV[1]  name   ARGV[2]  what the document was, '' for: it did not exist   ARGV[3]  what it becomes
-- ARGV[4]  how many stations it has, then those, then the stations that leave it
--
-- Returns {1} written, {0} somebody else was first, {2, station, site} the station is in another site.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[2] then return {0} end
local last = 4 + tonumber(ARGV[4])
for i = 5, last do
  local site = redis.call('HGET', KEYS[3], ARGV[i])
  if site and site ~= ARGV[1] then return {2, ARGV[i], site} end
end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
for i = 5, last do redis.call('HSET', KEYS[3], ARGV[i], ARGV[1]) end
for i = last + 1, #ARGV do
  if redis.call('HGET', KEYS[3], ARGV[i]) == ARGV[1] then redis.call('HDEL', KEYS[3], ARGV[i]) end
end
return {1}
