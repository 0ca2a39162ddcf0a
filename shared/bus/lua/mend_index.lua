#!lua flags=allow-oom
-- Writes to fleet-wide indexes what a station's own records say, only where those are still the ones that were read.
--
-- KEYS[1]  s:{id}:state     KEYS[2..]  the indexes
-- ARGV[1]  the version token that was read, '-' where the station does not exist
-- then commands: count of arguments, name, index of the key, arguments
--
-- Returns 1 written, 0 the station has changed meanwhile.
if (redis.call('HGET', KEYS[1], 'v') or '-') ~= ARGV[1] then return 0 end
local at = 2
while ARGV[at] do
  local count = tonumber(ARGV[at])
  redis.call(ARGV[at + 1], KEYS[tonumber(ARGV[at + 2])], unpack(ARGV, at + 3, at + 2 + count))
  at = at + 3 + count
end
return 1
