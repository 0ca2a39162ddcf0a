#!lua flags=allow-oom
-- Emits the outcomes of a batch and settles its entries: runs commands in order, whatever one of them answers. It may run
-- when Redis is full, because settling is what drains it.
--
-- KEYS     the keys that the commands write
-- ARGV     commands: count of arguments, name, index of the key, arguments
--
-- Returns the errors as text, usually none.
local errors = {}
local at = 1
while ARGV[at] do
  local count = tonumber(ARGV[at])
  local reply = redis.pcall(ARGV[at + 1], KEYS[tonumber(ARGV[at + 2])], unpack(ARGV, at + 3, at + 2 + count))
  if type(reply) == 'table' and reply.err then errors[#errors + 1] = ARGV[at + 1] .. ': ' .. reply.err end
  at = at + 3 + count
end
return errors
