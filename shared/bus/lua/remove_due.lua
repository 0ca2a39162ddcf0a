#!lua flags=allow-oom
-- Removes due members of a sorted set that were turned into uplink entries, unless they were set anew meanwhile.
--
-- KEYS[1]  wakeups:{partition} or deadlines:{node}
-- ARGV     member, score as it was read, member, score ...
--
-- Returns how many were removed.
local removed = 0
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) <= tonumber(ARGV[i + 1]) then
    removed = removed + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return removed
