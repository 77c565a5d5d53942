-- The callers in these rooms are about to be told that they wait, and so have to be told when they do no more.
--
-- KEYS  1… room hashes
-- ARGV  none
-- Returns for each 1, or 0 if it waits no more.

local waits = {}
for i, key in ipairs(KEYS) do
  local state = redis.call('HGET', key, 'state')
  waits[i] = (state == 'waiting' or state == 'queued') and 1 or 0
  if waits[i] == 1 then
    redis.call('HSET', key, 'told', '1')
  end
end
return waits
