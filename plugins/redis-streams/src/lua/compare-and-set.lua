-- Sets a key that holds what is expected.
-- KEYS[1] key
-- ARGV[1] "1" when a value is expected, "0" when the key must be absent   ARGV[2] expected value   ARGV[3] new value   ARGV[4] time to live in ms, 0 for none
-- Returns 1 when it was set, else 0
local current = redis.call('GET', KEYS[1])
if ARGV[1] == '1' and current ~= ARGV[2] then return 0 end
if ARGV[1] == '0' and current then return 0 end
if ARGV[4] == '0' then redis.call('SET', KEYS[1], ARGV[3]) else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return 1
