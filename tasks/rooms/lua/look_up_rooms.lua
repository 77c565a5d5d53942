-- Look up rooms in which the LiveKit server lists participants. A room that is over stays known for another while.
--
-- If it were forgotten, it would look like a room that was never announced, and a participant who is still in it would
-- be called again.
--
-- KEYS  the rooms' hashes, any number
-- ARGV  over_ms               TTL of a room that is over
-- Returns {{state, ended_by, unix ms of its end}, …} in the order of the keys, each with '' for what is not known.

local over_ms = unpack(ARGV)

--- @include "lib/read_room"

local rooms = {}
for i, room_key in ipairs(KEYS) do
  local state, ended_by, ended_ms = read_room(room_key, 'state', 'ended_by', 'at:ended')
  if is_over(state) then
    redis.call('PEXPIRE', room_key, over_ms)
  end
  local known = is_open(state) or is_over(state)
  rooms[i] = {known and state or '', ended_by or '', tonumber(ended_ms or '') and ended_ms or ''}
end
return rooms
