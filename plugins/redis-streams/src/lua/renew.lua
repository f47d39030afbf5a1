-- Renews the lease of deliveries that are still being handled.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] mark of the group that the consumer knows   ARGV[4..] ids
-- Returns the ids that are no longer this consumer's; NOGROUP when it is another group by now
local mark = ''
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if string.sub(info[2], 1, 6) == '~made-' then mark = info[2] end
end
if mark ~= ARGV[3] then return redis.error_reply('NOGROUP the group was lost and made again') end

local lost = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local state = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if state and state[2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'JUSTID')
  else
    lost[#lost + 1] = id
  end
end
return lost
