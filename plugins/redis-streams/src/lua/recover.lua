-- Takes again what was delivered to this consumer and never arrived, as when a connection broke in the middle of a reply.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] most entries to take   ARGV[4..] ids that did arrive
-- Returns entries as { id, fields, attempt }
local here = {}
for i = 4, #ARGV do here[ARGV[i]] = true end
local taken = {}
local from = '-'
repeat
  local page = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', 500, ARGV[2])
  for _, state in ipairs(page) do
    local id = state[1]
    from = '(' .. id
    if not here[id] and #taken < tonumber(ARGV[3]) then
      local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id)[1]
      if entry then
        taken[#taken + 1] = { id, entry[2], state[4] + 1 }
      else
        redis.call('XACK', KEYS[1], ARGV[1], id)
      end
    end
  end
until #page < 500
return taken
