-- Renews the lease of deliveries that are still being handled.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3..] ids
-- Returns the ids that are no longer this consumer's
local lost = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local state = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if state and state[2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'JUSTID')
  else
    lost[#lost + 1] = id
  end
end
return lost
