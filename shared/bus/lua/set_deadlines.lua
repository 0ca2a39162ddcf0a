-- When the presence of a node's stations runs out, by Redis's clock.
-- KEYS[1]  the node's sorted set of deadlines
-- ARGV     pairs: `<station>/<epoch>`, TTL in ms
-- Returns  Redis's time in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for n = 1, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], now + ARGV[n + 1], ARGV[n])
end
return now
