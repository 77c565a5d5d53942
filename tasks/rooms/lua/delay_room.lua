-- Keep the message of a queued room out of its queue for a while: `queue_delayed_rooms` puts it back.
--
-- A worker does so with a call that has failed there and would again, while the workers that could answer it are full.
--
-- KEYS  room_key (hash), delayed_key (zset)
-- ARGV  sid, attempt, delay_ms
-- Returns 1, or 0 if the room no longer waits for this attempt; nothing was changed then.

local room_key, delayed_key = unpack(KEYS)
local sid, attempt, delay_ms = unpack(ARGV)

--- @include "lib/clock"
--- @include "lib/message"

local state, known_attempt = read_room(room_key, 'state', 'attempt')
if state ~= 'queued' or known_attempt ~= attempt then
  return 0
end
remove_message(room_key)
redis.call('HSET', room_key, 'not_before', now_ms + delay_ms)
redis.call('ZADD', delayed_key, now_ms + delay_ms, sid)
return 1
