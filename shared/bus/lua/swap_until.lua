-- Replaces a record that lives for a time, only where it still is what the writer saw.
--
-- KEYS[1]  the record
-- ARGV[1]  what it was, '' for: it did not exist   ARGV[2]  what it becomes   ARGV[3]  how long it lives (ms)
--
-- Returns 1 replaced, 0 somebody else was first.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
