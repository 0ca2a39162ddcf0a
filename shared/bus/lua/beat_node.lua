-- A node says that it lives.
-- KEYS[1]  the sorted set of node incarnations
-- ARGV[1]  the node
-- Returns  Redis's time in ms, the score that the node now has.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
return now
