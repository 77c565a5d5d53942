-- End an open room on request of an operator, or of a backend.
--
-- A running call is asked to end by its next renewal, and its record says who asked. A room that no attempt has claimed
-- is over at once. Then its callers are notified and their room is deleted by the reconciler.
--
-- KEYS  room_key (hash), conversation_key (string), rooms_key (zset), leases_key (zset), delayed_key (zset),
--       calls_key (stream), notify_key (zset), then those of lib/admission
-- ARGV  sid
--       tenants               JSON: only if the room is one of theirs; '' for any
--       outcome               of the record
--       public_reason         what callers may read
--       over_ms               TTL of the room
--       calls_length          records to keep
--       then that of lib/admission
-- Returns 'ending' (its attempt is asked to end it), 'ended', 'over' (before this), or 'unknown' (also: another
-- tenant's).

local room_key, conversation_key, rooms_key, leases_key, delayed_key, calls_key, notify_key = unpack(KEYS)
local sid, tenants, outcome, public_reason, over_ms, calls_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/finish_room"
--- @include "lib/records"
--- @include "lib/end_request"

local state, tenant = read_room(room_key, 'state', 'tenant')
if not state then
  return 'unknown'
end
if tenants ~= '' then
  local allowed = false
  for _, each in ipairs(cjson.decode(tenants)) do
    allowed = allowed or each == tenant
  end
  if not allowed then
    return 'unknown'
  end
end
if not is_open(state) then
  return 'over'
end
redis.call('HSET', room_key, 'end_request', outcome)
if state == 'running' then
  redis.call('HSET', room_key, 'closing', now_ms)
  return 'ending'
end
finish(sid, room_key, conversation_key, 'ended', outcome, 'operator', public_reason)
notify_requested_end(sid, 'operator')
write_call_record(sid, room_key, 'ended', outcome, '[]')
release(sid)
return 'ended'
