-- Keeps failed or handed back deliveries pending and notes when each is due again.
-- KEYS[1] stream   KEYS[2] retries of the group (sorted set: due ms, id)
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] owner of waiting retries
-- ARGV[4..] id, attempt, delay in ms, "1" to put it back when it is pending for nobody; and so on for each
-- Returns how many of them are kept
local stream, retries = KEYS[1], KEYS[2]
local group, consumer, parked = ARGV[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = 0
for i = 4, #ARGV, 4 do
  local id, attempt, delay, sure = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local state = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if (state and state[2] == consumer) or (not state and sure == '1') then
    redis.call('ZADD', retries, now + tonumber(delay), id)
    if state then
      redis.call('XCLAIM', stream, group, parked, 0, id, 'JUSTID')
    else
      redis.call('XCLAIM', stream, group, parked, 0, id, 'RETRYCOUNT', attempt, 'FORCE', 'JUSTID')
    end
    kept = kept + 1
  end
end
return kept
