#!lua flags=no-writes
-- Reads one page of a sorted set from the highest score down; equal scores in falling byte order of their members. The
-- page begins right behind a position, whether its member is still there or not.
--
-- KEYS[1]  the sorted set
-- ARGV[1]  highest score   ARGV[2]  lowest score   ARGV[3]  most members to return
-- ARGV[4]  score of the position, '' for the beginning   ARGV[5]  its member
--
-- Returns member, score, member, score ...
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local top, wanted, at = ARGV[1], tonumber(ARGV[3]), ARGV[4] ~= '' and tonumber(ARGV[4])
if at then top = ARGV[4] end
local found, offset = {}, 0
while true do
  local part = redis.call('ZRANGE', KEYS[1], top, ARGV[2], 'BYSCORE', 'REV', 'LIMIT', offset, wanted, 'WITHSCORES')
  for i = 1, #part, 2 do
    if not at or tonumber(part[i + 1]) < at or before(part[i], ARGV[5]) then
      found[#found + 1], found[#found + 2] = part[i], part[i + 1]
      if #found == 2 * wanted then return found end
    end
  end
  if #part < 2 * wanted then return found end
  offset = offset + wanted
end
