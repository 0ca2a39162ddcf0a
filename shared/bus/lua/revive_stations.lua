-- Takes back the results of stations of a campaign, so that these begin anew; the campaign runs again.
--
-- KEYS[1]  w:{id}:job   KEYS[2]  w:{id}:results   KEYS[3]  w:{id}:at:waiting   KEYS[4]  w:{id}:tries
-- KEYS[5]  idx:firmware:active   KEYS[6]  idx:firmware:ended
-- ARGV[1]  id   ARGV[2]  now (ms)   ARGV[3]  who
-- then per station: its id, its packed result, its outcome, its turn, its next attempt
--
-- Returns how many begin anew; -1 where the campaign is not known.
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local revived = 0
for i = 4, #ARGV, 5 do
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('HINCRBY', KEYS[1], 'n:' .. ARGV[i + 2], -1)
    redis.call('ZADD', KEYS[3], ARGV[i + 3], ARGV[i])
    redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 4])
    revived = revived + 1
  end
end
if revived > 0 then
  redis.call('HSET', KEYS[1], 'state', 'running', 'changed_at', ARGV[2], 'changed_by', ARGV[3])
  redis.call('HDEL', KEYS[1], 'ended_at', 'reason')
  redis.call('HSET', KEYS[5], ARGV[1], 'running')
  redis.call('ZREM', KEYS[6], ARGV[1])
end
return revived
