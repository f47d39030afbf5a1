-- Renews the lease of deliveries that are still being handled.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] "1" to put back what is pending for nobody   ARGV[4..] id, attempt, id, attempt, …
-- Returns the ids that are no longer this consumer's
local lost = {}
for i = 4, #ARGV, 2 do
  local id = ARGV[i]
  local state = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if state and state[2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'JUSTID')
  elseif not state and ARGV[3] == '1' then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', ARGV[i + 1], 'FORCE', 'JUSTID')
  else
    lost[#lost + 1] = id
  end
end
return lost
