-- Makes a group where there is none, and its stream.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] id after which a new group begins, or "$"
-- Returns { 1 when the group was made, id of the last entry delivered in the group }
local made = 1
local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if reply.err then
  if string.sub(reply.err, 1, 9) ~= 'BUSYGROUP' then return redis.error_reply(reply.err) end
  made = 0
end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
  if group['name'] == ARGV[1] then return { made, group['last-delivered-id'] } end
end
return { made, '0-0' }
