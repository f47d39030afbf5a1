-- Moves an entry to another stream, with other notes beside it, and with another payload where one is given.
-- KEYS[1] stream   KEYS[2] stream to move to
-- ARGV[1] id   ARGV[2] field of the payload in place of its own, or ""   ARGV[3] that payload   ARGV[4..] note, value, note, value, …
-- Notes that it had are replaced: they stand behind the field "~notes".
-- Returns 1, or 0 when the entry is not there any more
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local add = { 'XADD', KEYS[2], '*' }
if ARGV[2] == '' then
  local own = #entry[2]
  for i = own - 1, 3, -2 do
    if entry[2][i] == '~notes' then own = i - 1 break end
  end
  for i = 1, own do add[#add + 1] = entry[2][i] end
else
  add[#add + 1] = ARGV[2]
  add[#add + 1] = ARGV[3]
end
if #ARGV > 3 then
  add[#add + 1] = '~notes'
  add[#add + 1] = ''
end
for i = 4, #ARGV do add[#add + 1] = ARGV[i] end
redis.call(unpack(add))
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
