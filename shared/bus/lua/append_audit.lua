#!lua flags=allow-oom
-- Appends entries to the audit log, only where its last entry is still the one that their hashes continue.
--
-- KEYS[1]  the log, a stream
-- ARGV[1]  id of the last entry as the writer knows it, '' for an empty log
-- then id, entry, hash of the entry before, hash, for each entry
--
-- Returns {1, seconds, microseconds} appended, {0, seconds, microseconds, id, hash} the last entry is this one (both ''
-- for an empty log).
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local time = redis.call('TIME')
local id, hash = '', ''
if last then
  id = last[1]
  for n = 1, #last[2], 2 do
    if last[2][n] == 'h' then hash = last[2][n + 1] end
  end
end
if id ~= ARGV[1] then return {0, time[1], time[2], id, hash} end
for n = 2, #ARGV, 4 do
  redis.call('XADD', KEYS[1], ARGV[n], 'e', ARGV[n + 1], 'p', ARGV[n + 2], 'h', ARGV[n + 3])
end
return {1, time[1], time[2]}
