-- Makes a group where there is none, and its stream.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] id after which a new group begins, or "$"
-- Returns { 1 when the group was made; id of the last entry delivered in the group; mark of the group }
local stream, group = KEYS[1], ARGV[1]
local made = 1
local reply = redis.pcall('XGROUP', 'CREATE', stream, group, ARGV[2], 'MKSTREAM')
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

for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local state = {}
  for i = 1, #info, 2 do state[info[i]] = info[i + 1] end
  if state['name'] == group then return { made, state['last-delivered-id'], mark } end
end
return { made, '0-0', mark }
