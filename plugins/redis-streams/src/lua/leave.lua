-- Removes consumers without pending entries: one by name, or all that have been away for long. Those whose names begin with ~
-- belong to the group itself and stay.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer, or "" for all that are idle   ARGV[3] how long idle, in ms
-- Returns how many were removed
local removed = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #info, 2 do consumer[info[i]] = info[i + 1] end
  local name = consumer['name']
  local meant = name == ARGV[2] or (ARGV[2] == '' and consumer['idle'] > tonumber(ARGV[3]) and string.sub(name, 1, 1) ~= '~')
  if meant and consumer['pending'] == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], name)
    removed = removed + 1
  end
end
return removed
