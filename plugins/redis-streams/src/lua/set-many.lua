-- Sets keys, each by itself.
-- KEYS[1..] the keys
-- ARGV[1] time to live in ms, 0 for none   ARGV[2] "1": only those that are absent   ARGV[3..] the values
-- Returns a text with a digit for each key: 1 when it was set, else 0
local ms, absent = ARGV[1], ARGV[2] == '1'
local digits = {}
for i, key in ipairs(KEYS) do
  local value, reply = ARGV[i + 2], nil
  if ms == '0' then
    if absent then reply = redis.call('SET', key, value, 'NX') else reply = redis.call('SET', key, value) end
  elseif absent then
    reply = redis.call('SET', key, value, 'PX', ms, 'NX')
  else
    reply = redis.call('SET', key, value, 'PX', ms)
  end
  digits[i] = reply and '1' or '0'
end
return table.concat(digits)
