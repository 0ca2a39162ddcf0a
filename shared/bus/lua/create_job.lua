-- Makes a job whose stations were staged under its keys before; a repeated request gets the job that the first one made.
--
-- KEYS[1]  j:{id}:job   KEYS[2]  j:{id}:stations   KEYS[3]  the place where all of them begin
-- KEYS[4]  j:request:<digest>   KEYS[5]  idx:jobs   KEYS[6]  idx:jobs:active   KEYS[7]  events
-- ARGV[1]  id   ARGV[2]  its time (ms)   ARGV[3]  state   ARGV[4]  who   ARGV[5]  packed record
-- ARGV[6]  how many stations   ARGV[7]  most jobs under way   ARGV[8]  how long the request is remembered (ms)
-- ARGV[9]  packed events
--
-- Returns {1, id} made, {2, id} it was made before, {3, n} too many jobs are under way, {4, n} the stations are not there.
local before = redis.call('GET', KEYS[4])
if before then
  if before ~= ARGV[1] then redis.call('UNLINK', KEYS[2], KEYS[3]) end
  return {2, before}
end
local active = redis.call('HLEN', KEYS[6])
local staged = math.min(redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[3]))
if active >= tonumber(ARGV[7]) then
  redis.call('UNLINK', KEYS[2], KEYS[3])
  return {3, active}
end
if staged ~= tonumber(ARGV[6]) then return {4, staged} end
redis.call('PERSIST', KEYS[2])
redis.call('PERSIST', KEYS[3])
redis.call('HSET', KEYS[1], 'r', ARGV[5], 'state', ARGV[3], 'changed_at', ARGV[2], 'changed_by', ARGV[4])
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[8])
redis.call('ZADD', KEYS[5], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[6], ARGV[1], ARGV[3])
redis.call('XADD', KEYS[7], '*', 'v', ARGV[9])
return {1, ARGV[1]}
