-- Copies an entry, byte for byte and with notes beside it, to another stream and acknowledges it.
-- KEYS[1] stream   KEYS[2] stream to copy to
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] id   ARGV[4..] note, value, note, value, …
-- Notes that it had are replaced: they stand behind the field "~notes". Of an entry with thousands of fields the note "truncated" tells
-- how many were left behind.
-- Returns the id of the copy, or an error when the delivery is no longer this consumer's
local state = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
if not state or state[2] ~= ARGV[2] then return redis.error_reply('LOST the delivery is no longer pending for this consumer') end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
if not entry then return redis.error_reply('GONE the entry is no longer in the stream') end
local own = #entry[2]
for i = own - 1, 3, -2 do
  if entry[2][i] == '~notes' then own = i - 1 break end
end
-- More than Lua can hand to a command: what fits is kept, and a note says so.
local most = 7900 - #ARGV
local cut = own > most and own - most + most % 2 or 0
own = own - cut
local add = { 'XADD', KEYS[2], '*' }
for i = 1, own do add[#add + 1] = entry[2][i] end
if #ARGV > 3 then
  add[#add + 1] = '~notes'
  add[#add + 1] = ''
end
for i = 4, #ARGV do add[#add + 1] = ARGV[i] end
if cut > 0 then
  add[#add + 1] = 'truncated'
  add[#add + 1] = tostring(cut / 2)
end
local id = redis.call(unpack(add))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return id
