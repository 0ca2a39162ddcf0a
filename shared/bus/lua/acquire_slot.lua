#!lua flags=allow-oom
-- Gives a transaction a place under its id tag's limit of concurrent transactions; the same holder gets it again.
--
-- KEYS[1]  t:{tag}:holders (hash: holder -> since ms)
-- ARGV[1]  holder `<station>/<start key>`   ARGV[2]  limit, 0: none
--
-- Returns 1 granted, 0 refused.
local limit = tonumber(ARGV[2])
if limit > 0 and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= limit then return 0 end
-- Also where it held the place: whoever frees what nobody needs sees that it was asked for again.
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], now[1] * 1000 + math.floor(now[2] / 1000))
return 1
