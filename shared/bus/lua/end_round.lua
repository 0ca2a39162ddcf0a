-- Ends a round of a site's allocator: what it knows is kept and what it tells stations goes out, in one step and only
-- under its lease, so that a worker may die anywhere and none acts on what it saw before another took over.
--
-- KEYS[1]  site:{name}:lease   KEYS[2]  site:{name}:doc   KEYS[3]  site:{name}:run   KEYS[4]  site:{name}:state
-- KEYS[5]  idx:sites:rounds   KEYS[6..]  uplinks
-- ARGV[1]  who   ARGV[2]  site   ARGV[3]  the document it went by   ARGV[4]  what it knows   ARGV[5]  the state
-- ARGV[6]  the note of it   then per request: the index of its uplink's key, the entry
--
-- Returns 1 ended, 0 the document is another by now, -1 somebody else allocates.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[3], ARGV[4])
redis.call('SET', KEYS[4], ARGV[5])
redis.call('HSET', KEYS[5], ARGV[2], ARGV[6])
for i = 7, #ARGV, 2 do redis.call('XADD', KEYS[tonumber(ARGV[i])], '*', 'e', ARGV[i + 1]) end
return 1
