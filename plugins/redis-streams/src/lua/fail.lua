-- Keeps failed or handed back deliveries pending and notes when each is due again.
-- KEYS[1] stream   KEYS[2] retries of the group (sorted set: due ms, id)
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] owner of waiting retries   ARGV[4..] id, attempt, delay in ms, id, attempt, delay in ms, …
-- Returns how many of them were still this consumer's
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = 0
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  local state = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if state and state[2] == ARGV[2] then
    redis.call('ZADD', KEYS[2], now + tonumber(ARGV[i + 2]), id)
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, id, 'JUSTID')
    kept = kept + 1
  end
end
return kept
