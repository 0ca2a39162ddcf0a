-- Starts stations of a running job: puts their requests on the uplinks and takes them from where they wait, in one step,
-- so that none is started twice and none is lost.
--
-- KEYS[1]  lock:jobs   KEYS[2]  j:{id}:job   KEYS[3]  from: j:{id}:at:waiting   KEYS[4]  to: j:{id}:at:active
-- KEYS[5..]  uplinks
-- ARGV[1]  who advances jobs   ARGV[2]  now (ms)   ARGV[3]  the most that may be active
-- then per station: its id, the index of its uplink's key, its entry
--
-- Returns how many were started; -1 where somebody else advances jobs, or the job is not running.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('HGET', KEYS[2], 'state') ~= 'running' then return -1 end
local started, active, most = 0, redis.call('ZCARD', KEYS[4]), tonumber(ARGV[3])
for i = 4, #ARGV, 3 do
  if active + started >= most then break end
  if redis.call('ZREM', KEYS[3], ARGV[i]) == 1 then
    redis.call('XADD', KEYS[tonumber(ARGV[i + 1])], '*', 'e', ARGV[i + 2])
    redis.call('ZADD', KEYS[4], ARGV[2], ARGV[i])
    started = started + 1
  end
end
return started
