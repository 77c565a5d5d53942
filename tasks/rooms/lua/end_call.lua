-- End a call: write its record and release its permits.
--
-- KEYS  room_key (hash), conversation_key (string), rooms_key (zset), leases_key (zset), calls_key (stream),
--       then those of lib/admission
-- ARGV  sid, attempt
--       claimant              '' for any
--       outcome
--       usage                 JSON
--       over_ms               TTL of the room
--       stream_length         records to keep
--       then that of lib/admission
-- Returns 1, or 0 if the attempt is stale.

local room_key, conversation_key, rooms_key, leases_key, calls_key = unpack(KEYS)
local sid, attempt, claimant, outcome, usage, over_ms, stream_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/fencing"
--- @include "lib/finish_room"
--- @include "lib/call_record"

if not holds(room_key, attempt, claimant) then
  return 0
end

finish(sid, room_key, conversation_key, 'ended', outcome)
write_call_record(sid, room_key, outcome, usage)
release(sid)
return 1
