-- Reading a room's hash that may not be there, may lack fields, or may be no hash: one such room must not keep a script
-- that goes over many from the others.
--
-- KEYS  none
-- ARGV  none
-- Returns nothing; defines `read_room`, `is_open`, `is_over`.

-- Returns the values of the fields, each false if it is not there.
local function read_room(room_key, ...)
  local room = redis.pcall('HMGET', room_key, ...)
  if room.err then
    room = {}
    for i = 1, select('#', ...) do
      room[i] = false
    end
  end
  return unpack(room)
end

local function is_open(state)
  return state == 'waiting' or state == 'queued' or state == 'running'
end

local function is_over(state)
  return state == 'ended' or state == 'cancelled' or state == 'dead'
end
