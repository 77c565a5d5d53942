-- Reading a room's hash that may not be there, may lack fields, or may be no hash: one such room must not keep a script
-- that goes over many from the others.
--
-- KEYS  none
-- ARGV  none
-- Returns nothing; defines `try`, `read_room`, `is_open`, `is_over`.

-- Returns the reply of a command, or nil if its key is of another type. Raises every other error: a user of Redis that
-- may not read rooms must not take them for odd ones.
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then
    return reply
  end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then
    error(reply.err)
  end
end

-- Returns the values of the fields, each false if it is not there.
local function read_room(room_key, ...)
  local room = try('HMGET', room_key, ...)
  if not room then
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
