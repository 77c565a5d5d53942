-- Close a room that has finished on the LiveKit server, or that the server's list lacks.
--
-- A room that was not claimed is cancelled; its message, if it is in a queue, then finds nothing to do. A running call
-- is asked to end. A room that was never opened is remembered as cancelled, because its room_started may still be on
-- the way.
--
-- A queued room whose call was lost before had a call, which has ended then. Each room that was open leaves a record: its
-- caller has given up waiting. One that was never opened was nobody's call, and leaves none.
--
-- A list may be wrong. So a running call is left alone then, and another room is ended by its callers: if the server
-- lists a caller in it after all, it is opened again.
--
-- KEYS  room_key (hash), conversation_key (string), rooms_key (zset), leases_key (zset),
--       delayed_key (zset), calls_key (stream), notice_events_key (stream), then those of lib/admission
-- ARGV  sid
--       missing               '1': the list lacks it
--       over_ms               TTL of the room
--       calls_length, notice_events_length    records and events to keep
--       then that of lib/admission
-- Returns 'cancelled', 'closing', 'unknown' (never opened), or 'over' (before this) or 'running', where nothing was
-- changed.

local room_key, conversation_key, rooms_key, leases_key, delayed_key, calls_key, notice_events_key = unpack(KEYS)
local sid, missing, over_ms, calls_length, notice_events_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/finish_room"
--- @include "lib/records"

local state, lost_ms = unpack(redis.call('HMGET', room_key, 'state', 'at:lost'))
if state == 'running' and missing == '1' then
  return 'running'
end
if state == 'running' then
  redis.call('HSET', room_key, 'closing', now_ms)
  return 'closing'
end
if state and state ~= 'queued' and state ~= 'waiting' then
  return 'over'
end

local reason = missing == '1' and 'room missing' or 'room finished'
local over = (missing == '1' or lost_ms) and 'ended' or 'cancelled'
finish(sid, room_key, conversation_key, over, reason, 'callers', '')
release(sid)
if state then
  write_call_record(sid, room_key, over, reason, '[]')
end
return state and 'cancelled' or 'unknown'
