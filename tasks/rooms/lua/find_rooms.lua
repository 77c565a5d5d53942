-- Read rooms by their sids, open ones and others: all of them, or those of a name and of a caller's number.
--
-- KEYS  none: among KEYS the names would have to be writable for a user of Redis that only reads
-- ARGV  room_prefix
--       name, number          the whole, or the beginning if it ends with `*`, or '' for any
--       fields                how many fields to read of each room
--       then any number of names: of these fields, and after them the sids
-- Returns JSON: of each room that matches, in the order of the sids, one array of the sid and the fields, false where
-- there is none. One text instead of thousands of values, which a client would take much longer to read. Of a room that
-- does not match the client is told nothing.

local room_prefix, name, number, fields = unpack(ARGV)

--- @include "lib/read_room"

local FIRST_FIELD = 5

local function matches(text, wanted)
  text = text or ''
  if wanted == '' then
    return true
  elseif string.sub(wanted, -1) == '*' then
    return string.sub(text, 1, #wanted - 1) == string.sub(wanted, 1, -2)
  end
  return text == wanted
end

local names = {unpack(ARGV, FIRST_FIELD, FIRST_FIELD + fields - 1)}
local is_filtered = name ~= '' or number ~= ''
local rooms = {}
for i = FIRST_FIELD + fields, #ARGV do
  local room_key = room_prefix .. ARGV[i]
  local wanted = true
  if is_filtered then
    local its_name, its_number = read_room(room_key, 'name', 'number')
    wanted = matches(its_name, name) and matches(its_number, number)
  end
  if wanted then
    table.insert(rooms, {ARGV[i], read_room(room_key, unpack(names))})
  end
end
return #rooms == 0 and '[]' or cjson.encode(rooms)
