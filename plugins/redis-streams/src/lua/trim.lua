-- Removes old entries that every group has settled.
-- KEYS[1] stream
-- ARGV[1] most entries to keep, or -1   ARGV[2] oldest id to keep, or "-"   ARGV[3] "1" to remove what is not settled too
-- Returns how many entries were removed
local bound = ARGV[2]

local function less(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  ams, bms = tonumber(ams), tonumber(bms)
  if ams ~= bms then return ams < bms end
  return tonumber(aseq) < tonumber(bseq)
end

local excess = tonumber(ARGV[1]) < 0 and 0 or redis.call('XLEN', KEYS[1]) - tonumber(ARGV[1])
if excess > 0 then
  -- A page at a time: the next call goes on.
  local page = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', math.min(excess, 1000) + 1)
  local first = page[#page][1]
  if bound == '-' or less(bound, first) then bound = first end
end
if bound == '-' then return 0 end
if ARGV[3] ~= '1' then
  -- Who wants all topics needs a moment to find a new one: until then its group is missing here.
  local info, stream = redis.call('XINFO', 'STREAM', KEYS[1]), {}
  for i = 1, #info, 2 do stream[info[i]] = info[i + 1] end
  local untrimmed = not stream['entries-added'] or stream['entries-added'] == stream['length']
  local first = stream['first-entry'] and string.match(stream['first-entry'][1], '^%d+')
  if untrimmed and first and tonumber(first) > redis.call('TIME')[1] * 1000 - 10000 then return 0 end
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
    local unsettled
    if group['pending'] > 0 then
      unsettled = redis.call('XPENDING', KEYS[1], group['name'])[2]
    else
      -- The first entry after the last delivered one; that one itself may stay a while longer.
      unsettled = group['last-delivered-id']
    end
    if less(unsettled, bound) then bound = unsettled end
  end
end
return redis.call('XTRIM', KEYS[1], 'MINID', bound)
