-- Changes the state of a job that has not ended, and tells; nothing where it is in that state already.
--
-- KEYS[1]  j:{id}:job   KEYS[2]  idx:jobs:active   KEYS[3]  events
-- ARGV[1]  id   ARGV[2]  the new state   ARGV[3]  now (ms)   ARGV[4]  who   ARGV[5]  packed events
-- ARGV[6..]  the states from which it may change
--
-- Returns {1} changed, {2} it is so already, {3, state} it may not change from there, {4} no such job.
local state, ended = unpack(redis.call('HMGET', KEYS[1], 'state', 'ended_at'))
if not state then return {4} end
if state == ARGV[2] then return {2} end
local allowed = false
for i = 6, #ARGV do allowed = allowed or ARGV[i] == state end
if ended or not allowed then return {3, state} end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'changed_at', ARGV[3], 'changed_by', ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[3], '*', 'v', ARGV[5])
return {1}
