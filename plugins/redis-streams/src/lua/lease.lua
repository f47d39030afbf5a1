-- Takes, renews or releases a lease.
-- KEYS[1] lease (the token of its holder)   KEYS[2] counter of tokens
-- ARGV[1] "take", "renew" or "release"   ARGV[2] time to live in ms   ARGV[3] token, to renew or release
-- Returns the token when taken, 1 when renewed or released, 0 when not
if ARGV[1] == 'take' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
  local token = redis.call('INCR', KEYS[2])
  redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
  return token
end
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
if ARGV[1] == 'renew' then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('DEL', KEYS[1])
