-- Let a room that names no tenant wait for one. Its wait begins when this is first done.
--
-- KEYS  room_key (hash), tenantless_key (zset)
-- ARGV  sid, name
--       ended_before_ms       let it wait also if its callers have ended it before this, unix ms; or ''
-- Returns the ms that it has waited, or -1 if the room is known otherwise, and so waits for none.

local room_key, tenantless_key = unpack(KEYS)
local sid, name, ended_before_ms = unpack(ARGV)

--- @include "lib/announced"
--- @include "lib/clock"

if not read_announced(room_key, ended_before_ms).unanswered then
  return -1
end
local member = sid .. '\0' .. name
redis.call('ZADD', tenantless_key, 'NX', now_ms, member)
return now_ms - redis.call('ZSCORE', tenantless_key, member)
