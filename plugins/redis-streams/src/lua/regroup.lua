-- Makes a lost group again and puts back what this consumer is still handling.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] id of the last entry that was delivered   ARGV[4..] id, attempt, id, attempt, …
-- Returns 1 when the group was made, 0 when somebody was faster
local made = 1
local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[3], 'MKSTREAM')
if reply.err then
  if string.sub(reply.err, 1, 9) ~= 'BUSYGROUP' then return redis.error_reply(reply.err) end
  made = 0
end
for i = 4, #ARGV, 2 do
  -- One that somebody else took meanwhile is left to him.
  local id = ARGV[i]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1) == 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', ARGV[i + 1], 'FORCE', 'JUSTID')
  end
end
return made
