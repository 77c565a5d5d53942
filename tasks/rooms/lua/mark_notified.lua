-- Mark rooms whose callers are about to be notified that they wait, so that they are notified of the end of the wait
-- too.
--
-- KEYS  the rooms' hashes, any number
-- ARGV  none
-- Returns for each 1, or 0 if it no longer waits.

--- @include "lib/read_room"

local waits = {}
for i, room_key in ipairs(KEYS) do
  local state = read_room(room_key, 'state')
  waits[i] = (state == 'waiting' or state == 'queued') and 1 or 0
  if waits[i] == 1 then
    redis.call('HSET', room_key, 'notified', '1')
  end
end
return waits
