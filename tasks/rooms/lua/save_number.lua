-- Save the telephone number of a caller who has joined a room, unless the room has one already.
--
-- KEYS  room_key (hash)
-- ARGV  number
-- Returns 1, or 0 if the room is not known or has a number; nothing was changed then.

local room_key = unpack(KEYS)
local number = unpack(ARGV)

if redis.call('EXISTS', room_key) == 0 then
  return 0
end
return redis.call('HSETNX', room_key, 'number', number)
