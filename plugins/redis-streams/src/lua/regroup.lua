-- Makes a lost group again and puts back what is unsettled: what this consumer holds, and what waits for its next attempt.
-- KEYS[1] stream   KEYS[2] retries of the group (sorted set: due ms, id)
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] owner of waiting retries   ARGV[4] id of the last entry that was delivered
-- ARGV[5] mark of the group that the consumer knows   ARGV[6..] id, attempt, id, attempt, … of what this consumer holds
-- Returns { 1 when the group was made, 0 when somebody was faster; id after which it begins; mark of the group }
local stream, group = KEYS[1], ARGV[1]
local start = ARGV[4]

local function less(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  if ams ~= bms then return tonumber(ams) < tonumber(bms) end
  return tonumber(aseq) < tonumber(bseq)
end

-- A stream that begins anew (flushed, failed over to an older copy) may give ids that were given before.
local info = redis.pcall('XINFO', 'STREAM', stream)
if info.err then
  start = '0-0'
else
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' and less(info[i + 1], start) then start = '0-0' end
  end
end

local made = 1
local reply = redis.pcall('XGROUP', 'CREATE', stream, group, start, 'MKSTREAM')
if reply.err then
  if string.sub(reply.err, 1, 9) ~= 'BUSYGROUP' then return redis.error_reply(reply.err) end
  made = 0
end

-- A consumer that never reads marks the group: it goes with it, and the next one has another.
local mark = ''
if made == 1 then
  local time = redis.call('TIME')
  mark = string.format('~made-%d%06d', time[1], time[2])
  redis.call('XGROUP', 'CREATECONSUMER', stream, group, mark)
else
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    if string.sub(info[2], 1, 6) == '~made-' then mark = info[2] end
  end
end

-- One that somebody else took meanwhile is left to him.
local function restore(id, owner, attempt)
  if #redis.call('XPENDING', stream, group, id, id, 1) > 0 then return end
  redis.call('XCLAIM', stream, group, owner, 0, id, 'RETRYCOUNT', attempt, 'FORCE', 'JUSTID')
end
if mark ~= ARGV[5] then
  for i = 6, #ARGV, 2 do restore(ARGV[i], ARGV[2], ARGV[i + 1]) end
end
if made == 1 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do restore(id, ARGV[3], 1) end
end
return { made, start, mark }
