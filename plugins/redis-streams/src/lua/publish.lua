-- Appends entries to a stream, each by itself: one that fails does not stop the others.
-- KEYS[1] stream
-- ARGV[1] field of the payloads ("e" text, "b" base64)   ARGV[2..] payloads
-- Returns {} when all are stored, else a flat list: position (from 1), error, position, error, …; an error where the server takes nothing at all
local failed = {}
for i = 2, #ARGV do
  local reply = redis.pcall('XADD', KEYS[1], '*', ARGV[1], ARGV[i])
  if type(reply) == 'table' and reply.err then
    if i == 2 and (string.find(reply.err, 'READONLY') or string.find(reply.err, 'NOREPLICAS')) then return redis.error_reply(reply.err) end
    failed[#failed + 1] = i - 1
    failed[#failed + 1] = reply.err
  end
end
return failed
