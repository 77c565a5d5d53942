-- Let a room that names no tenant wait for one. Its wait begins when this is first done.
--
-- KEYS  room_key (hash), tenantless_key (zset)
-- ARGV  sid, name
-- Returns the ms that it has waited, or -1 if the room is known, and so waits for none.

local room_key, tenantless_key = unpack(KEYS)
local sid, name = unpack(ARGV)

--- @include "lib/clock"

if redis.call('EXISTS', room_key) == 1 then
  return -1
end
local member = sid .. '\0' .. name
redis.call('ZADD', tenantless_key, 'NX', now_ms, member)
return now_ms - redis.call('ZSCORE', tenantless_key, member)
