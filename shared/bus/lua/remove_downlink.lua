-- A node that leaves takes its downlink along, unless something arrived that it has not read.
-- KEYS[1]  the downlink
-- ARGV[1]  the id of the last entry that the node read
-- Returns  1 where the stream is gone, 0 where there is more to read.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] and newest[1][1] ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
