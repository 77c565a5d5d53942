-- Return the message of a queued room to the front of its queue, where it then is once.
--
-- A worker does so with a message that it took but cannot start: the load rose, or a drain began, while it waited for
-- one.
--
-- KEYS  room_key (hash)
-- ARGV  attempt
-- Returns 1, or 0 if the room no longer waits for this attempt, or has a delay; nothing was changed then.

local room_key = unpack(KEYS)
local attempt = unpack(ARGV)

--- @include "lib/message"

local state, known_attempt, not_before = read_room(room_key, 'state', 'attempt', 'not_before')
if state ~= 'queued' or known_attempt ~= attempt or not_before then
  return 0
end
-- It may be back already: an earlier reply was lost, or it was thought lost.
local queue, message = remove_message(room_key)
redis.call('RPUSH', queue, message)
return 1
