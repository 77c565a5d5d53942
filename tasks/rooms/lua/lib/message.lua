-- The message of a queued room: it is in its queue once, or on its way from there to a claim.
--
-- KEYS  none
-- ARGV  none
-- Returns nothing; defines `remove_message`.

--- @include "lib/read_room"

-- Remove a room's message from its queue, and each copy of it. A message that was thought lost, or was returned by a
-- worker that then started its call all the same, has copies.
--
-- LREM compares with every message of the queue: 0.2 ms for 10,000 of them. Returns the queue and the message, each
-- false if the room has none.
local function remove_message(room_key)
  local queue, message = read_room(room_key, 'queue', 'message')
  if queue and message then
    try('LREM', queue, 0, message)
  end
  return queue, message
end
