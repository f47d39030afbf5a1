-- Renews the lease of deliveries that are still being handled.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] mark of the group that the consumer knows   ARGV[4..] ids
-- Returns the ids that are no longer this consumer's; NOGROUP when it is another group by now. Those that the group was never
-- given, as far as a server knows that took over, are not lost: they will come again.
local mark = ''
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if string.sub(info[2], 1, 6) == '~made-' then mark = info[2] end
end
if mark ~= ARGV[3] then return redis.error_reply('NOGROUP the group was lost and made again') end

-- Whether an id is above the last one that the group was given.
local last
local function isAhead(id)
  if not last then
    for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
      if info[2] == ARGV[1] then last = info[8] end
    end
  end
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  local lastMs, lastSeq = string.match(last, '(%d+)-(%d+)')
  if ms ~= lastMs then return tonumber(ms) > tonumber(lastMs) end
  return tonumber(seq) > tonumber(lastSeq)
end

local lost = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local state = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if state and state[2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'JUSTID')
  elseif state or not isAhead(id) then
    lost[#lost + 1] = id
  end
end
return lost
