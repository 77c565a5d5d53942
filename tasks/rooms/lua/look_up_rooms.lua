-- Look up rooms in which the LiveKit server lists participants. A room that is over stays known for another while.
--
-- If it were forgotten, it would look like a room that was never announced, and a participant who is still in it would
-- be called again.
--
-- KEYS  the rooms' hashes, any number
-- ARGV  over_ms               TTL of a room that is over
-- Returns {{state, ended_by, unix ms of its end}, …} in the order of the keys, each with '' for what is not known.

local over_ms = unpack(ARGV)

local rooms = {}
for i, room_key in ipairs(KEYS) do
  local room = redis.call('HMGET', room_key, 'state', 'ended_by', 'at:ended')
  if room[1] and room[1] ~= 'waiting' and room[1] ~= 'queued' and room[1] ~= 'running' then
    redis.call('PEXPIRE', room_key, over_ms)
  end
  rooms[i] = {room[1] or '', room[2] or '', room[3] or ''}
end
return rooms
