-- Ask the attempt of a running call to hand it over between two turns. Its next renewal tells it.
--
-- KEYS  room_key (hash)
-- ARGV  attempt               the attempt that is to hand over
-- Returns 1, or 0 if the call is not running, is about to end, or is another attempt's by now.

local room_key = unpack(KEYS)
local attempt = unpack(ARGV)

--- @include "lib/fencing"

local held, closing = holds(room_key, attempt, '', 'closing')
if not held or closing then
  return 0
end
redis.call('HSET', room_key, 'move', attempt)
return 1
