#!lua flags=allow-oom
-- Removes a consumer from a group, but only when nothing is pending with it: what it holds would be lost otherwise.
--
-- KEYS[1]  uplink:{partition}   ARGV[1]  group   ARGV[2]  consumer
--
-- Returns 1 removed, 0 kept.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #pending > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
