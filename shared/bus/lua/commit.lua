#!lua flags=allow-oom
-- Commits one decision about one station, or says why not.
--
-- KEYS[1]  s:{id}:state     KEYS[2..]  other keys of the station that the decision writes
-- ARGV[1]  fence field `f:<epoch>` for a CALL, '' for everything else
-- ARGV[2]  call_seq (0 for what is no CALL)
-- ARGV[3]  outbox field: `o:<epoch>` for a CALL, `o:<entry id>` for everything else
-- ARGV[4]  version token that the decision was made on; '-' where the station did not exist; '' for a decision that
--          changes no state
-- ARGV[5]  n: how many field and value arguments follow for HSET on the state
-- then n arguments, then commands: count of arguments, name, index of the key, arguments
--
-- Returns {1} committed, {2, outbox} duplicate whose outcome may not be out yet, {3} stale, {4} conflict.
local state = KEYS[1]
-- The outbox is read where it is told again, not with the rest: most commits overwrite one that is out.
local token, fence = unpack(redis.call('HMGET', state, 'v', ARGV[1]))
if ARGV[1] ~= '' then
  if fence and tonumber(ARGV[2]) <= tonumber(fence) then
    local box = ARGV[2] == fence and redis.call('HGET', state, ARGV[3])
    if box then return {2, box} end
    return {3}
  end
else
  local box = redis.call('HGET', state, ARGV[3])
  if box then return {2, box} end
end
if ARGV[4] ~= '' and (token or '-') ~= ARGV[4] then return {4} end
local n = tonumber(ARGV[5])
redis.call('HSET', state, unpack(ARGV, 6, 5 + n))
local at = 6 + n
while ARGV[at] do
  local count = tonumber(ARGV[at])
  redis.call(ARGV[at + 1], KEYS[tonumber(ARGV[at + 2])], unpack(ARGV, at + 3, at + 2 + count))
  at = at + 3 + count
end
return {1}
