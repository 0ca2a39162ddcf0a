#!lua flags=no-writes
-- Reads the version tokens of many stations: for those whose states a worker keeps.
--
-- KEYS  s:{id}:state each
-- Returns the token of each, '' where there is no state.
local tokens = {}
for n, state in ipairs(KEYS) do
  tokens[n] = redis.call('HGET', state, 'v') or ''
end
return tokens
