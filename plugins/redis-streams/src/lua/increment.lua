-- Adds to a counter.
-- KEYS[1] counter
-- ARGV[1] by how much   ARGV[2] time to live in ms, 0 for none; it counts from the first addition
-- Returns the sum
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[2] ~= '0' and redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return sum
