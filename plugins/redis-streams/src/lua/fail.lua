-- Keeps failed or handed back deliveries pending and notes when each is due again.
-- KEYS[1] stream   KEYS[2] retries of the group (sorted set: due ms, id)
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] owner of waiting retries   ARGV[4] mark of the group that the consumer knows
-- ARGV[5..] id, delay in ms, attempts that do not count (0 or 1), …
-- Returns how many of them were still this consumer's; NOGROUP when it is another group by now
local mark = ''
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if string.sub(info[2], 1, 6) == '~made-' then mark = info[2] end
end
if mark ~= ARGV[4] then return redis.error_reply('NOGROUP the group was lost and made again') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = 0
for i = 5, #ARGV, 3 do
  local id = ARGV[i]
  local state = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if state and state[2] == ARGV[2] then
    redis.call('ZADD', KEYS[2], now + tonumber(ARGV[i + 1]), id)
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, id, 'RETRYCOUNT', state[4] - ARGV[i + 2], 'JUSTID')
    kept = kept + 1
  end
end
return kept
