-- End a call: write its records and release its permits.
--
-- KEYS  room_key (hash), conversation_key (string), rooms_key (zset), leases_key (zset), delayed_key (zset),
--       calls_key (stream), notice_events_key (stream), notify_key (zset), then those of lib/admission
-- ARGV  sid, attempt
--       claimant              '' for any
--       outcome, ended_by     'callers', 'agent' or 'limit'; those of a request to end the call come first
--       public_reason         what callers may read, if a limit ended the call
--       usage, turns          of the attempt, JSON; '' for what its last renewal has kept
--       over_ms               TTL of the room
--       calls_length, notice_events_length    records and events to keep
--       then that of lib/admission
-- Returns outcome and ended_by as they are written, or nil if the attempt is stale.

local room_key, conversation_key, rooms_key, leases_key, delayed_key, calls_key,
  notice_events_key, notify_key = unpack(KEYS)
local sid, attempt, claimant, outcome, ended_by, public_reason, usage, turns, over_ms,
  calls_length, notice_events_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/fencing"
--- @include "lib/finish_room"
--- @include "lib/records"
--- @include "lib/end_request"

local held, uncounted = holds(room_key, attempt, claimant, 'uncounted')
if not held then
  return false
end

outcome, ended_by, public_reason = requested_end(room_key, outcome, ended_by, public_reason)
keep_metrics(room_key, usage, turns)
local used = write_attempt_record(sid, room_key, 'ended', '', outcome, uncounted or 0)
finish(sid, room_key, conversation_key, 'ended', outcome, ended_by, public_reason)
notify_requested_end(sid, ended_by)
write_call_record(sid, room_key, 'ended', outcome, used)
release(sid)
return { outcome, ended_by }
