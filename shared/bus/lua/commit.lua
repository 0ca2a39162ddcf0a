#!lua flags=allow-oom
-- Commits decisions, each about one station, and says of each why not.
--
-- KEYS, per decision:  s:{id}:state, then other keys of the station that it writes
-- ARGV, per decision:  how many keys are its own, how many arguments follow for it, then
--   [1]  fence field `f:<epoch>` for a CALL, '' for everything else
--   [2]  call_seq (0 for what is no CALL)
--   [3]  outbox field: `o:<epoch>` for a CALL, `o:<entry id>` for everything else
--   [4]  version token that the decision was made on; '-' where the station did not exist; '' for a decision that
--        changes no state
--   [5]  n: how many field and value arguments follow for HSET on the state
--   then n arguments, then commands: count of arguments, name, index among its keys, arguments
--
-- Returns per decision 1: committed, its outbox: duplicate whose outcome may not be out yet, 3: stale, 4: conflict, or
-- the error that refused it; no decision hinders another one.
local call, tonumber, unpack = redis.call, tonumber, unpack

-- `key` and `at` are where its keys and arguments begin, `last` is where the arguments end.
local function commit(key, at, last)
  local state, fence_field, seq, box_field, expected = KEYS[key], unpack(ARGV, at, at + 3)
  -- The outbox is read where it is told again, not with the rest: most commits overwrite one that is out.
  local token, fence = unpack(call('HMGET', state, 'v', fence_field))
  if fence_field ~= '' then
    if fence and tonumber(seq) <= tonumber(fence) then
      return seq == fence and call('HGET', state, box_field) or 3
    end
  else
    local box = call('HGET', state, box_field)
    if box then return box end
  end
  if expected ~= '' and (token or '-') ~= expected then return 4 end
  local n = tonumber(ARGV[at + 4])
  call('HSET', state, unpack(ARGV, at + 5, at + 4 + n))
  at = at + 5 + n
  while at <= last do
    local count = tonumber(ARGV[at])
    call(ARGV[at + 1], KEYS[key - 1 + tonumber(ARGV[at + 2])], unpack(ARGV, at + 3, at + 2 + count))
    at = at + 3 + count
  end
  return 1
end

local results, key, at, size = {}, 1, 1, #ARGV
while at <= size do
  local last = at + 1 + tonumber(ARGV[at + 1])
  local done, result = pcall(commit, key, at + 2, last)
  if not done and type(result) ~= 'table' then result = redis.error_reply('ERR ' .. tostring(result)) end
  results[#results + 1] = result
  key = key + tonumber(ARGV[at])
  at = last + 1
end
return results
