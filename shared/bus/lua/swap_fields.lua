-- Changes fields of a hash that no station's commit owns, only where some of its fields still are what the writer saw.
--
-- KEYS[1]  the hash
-- ARGV[1]  n, then n times field, value: what must be there
-- then m, then m times field, value: what is set, then the fields that are deleted
--
-- Returns 1 changed, 0 something was not as the writer saw it.
local at = 2
for _ = 1, tonumber(ARGV[1]) do
  if redis.call('HGET', KEYS[1], ARGV[at]) ~= ARGV[at + 1] then return 0 end
  at = at + 2
end
local sets = tonumber(ARGV[at])
at = at + 1
for _ = 1, sets do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  at = at + 2
end
while ARGV[at] do
  redis.call('HDEL', KEYS[1], ARGV[at])
  at = at + 1
end
return 1
