-- List a part of the open rooms, for what shows all of them.
--
-- KEYS  none: among KEYS the names would have to be writable for a user of Redis that only reads
-- ARGV  rooms_key (zset), room_prefix
--       first                 the first room of this part, from 0, the oldest first
--       most                  rooms in a part
--       then any number of fields to read of each room, the first of them `state`
-- Returns {rooms in this part, JSON}: of each room that is open, as one array, the sid and the fields, false where there
-- is none. One text instead of thousands of values, which a client would take much longer to read.

local rooms_key, room_prefix, first, most = unpack(ARGV)

--- @include "lib/read_room"

local FIRST_FIELD = 5

local rooms = {}
local part = redis.call('ZRANGE', rooms_key, first, first + most - 1)
for _, sid in ipairs(part) do
  local room = {read_room(room_prefix .. sid, unpack(ARGV, FIRST_FIELD))}
  if is_open(room[1]) then
    table.insert(rooms, {sid, unpack(room)})
  end
end
return {#part, #rooms == 0 and '[]' or cjson.encode(rooms)}
