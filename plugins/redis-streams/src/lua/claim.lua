-- One look at what is due in a topic partition for a group: retries whose time has come, deliveries whose consumer is dead,
-- and events that were published with a delay.
-- KEYS[1] stream   KEYS[2] retries of the group (sorted set: due ms, id)   KEYS[3] delayed events (sorted set: due ms, field:nonce:payload)
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] lease in ms   ARGV[4] most entries to take   ARGV[5] id to go on from   ARGV[6] owner of waiting retries
-- Returns { entries as { id, fields, attempt }, id to go on from ("-" at the end), ms until the next is due (-1: none) }
local stream, retries, delayed = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, lease, count, from, parked = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}

local function take(id, idle)
  local claimed = redis.call('XCLAIM', stream, group, consumer, idle, id)
  local entry = claimed[1]
  if entry then
    local state = redis.call('XPENDING', stream, group, id, id, 1)[1]
    taken[#taken + 1] = { id, entry[2], state[4] }
  elseif idle == 0 then
    -- The entry is gone (trimmed or deleted by hand): it must not stay pending for ever.
    redis.call('XACK', stream, group, id)
  end
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 500)) do
  local field, payload = string.match(member, '^(%l):[^:]*:(.*)$')
  -- Without memory for it, it waits; what is read and settled needs none.
  if redis.pcall('XADD', stream, '*', field, payload).err then break end
  redis.call('ZREM', delayed, member)
end

local due = count > 0 and redis.call('ZRANGEBYSCORE', retries, '-inf', now, 'LIMIT', 0, count) or {}
for _, id in ipairs(due) do
  redis.call('ZREM', retries, id)
  take(id, 0)
end

local next = '-'
local before = #taken
if #taken < count then
  local idle = redis.call('XPENDING', stream, group, 'IDLE', lease, from, '+', count - #taken)
  for _, state in ipairs(idle) do
    local id = state[1]
    next = '(' .. id
    if redis.call('ZSCORE', retries, id) then
      -- It waits for its time: look away for another lease.
      redis.call('XCLAIM', stream, group, parked, 0, id, 'JUSTID')
    else
      take(id, 0)
    end
  end
  if #idle < count - before then next = '-' end
end

local wait = -1
for _, set in ipairs({ retries, delayed }) do
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if first[2] then
    local ms = math.max(0, tonumber(first[2]) - now)
    if wait < 0 or ms < wait then wait = ms end
  end
end
return { taken, next, wait }
