-- The request of an operator, or of a backend, to end a call: kept in the room's hash until the call is over.
--
-- KEYS  none of its own; uses the action's notify_key
-- ARGV  none
-- Returns nothing; defines `requested_end`, `notify_requested_end`.

--- @include "lib/clock"

-- Returns outcome, ended_by and public reason of a call: those of the request to end it, or these where there is none.
local function requested_end(room_key, outcome, ended_by, public_reason)
  local request = redis.call('HGET', room_key, 'end_request')
  if request then
    return request, 'operator', 'ended'
  end
  return outcome, ended_by, public_reason
end

-- Callers of a call that was not theirs to end are notified, and their room is deleted.
local function notify_requested_end(sid, ended_by)
  if ended_by == 'limit' or ended_by == 'operator' then
    redis.call('ZADD', notify_key, now_ms, sid)
  end
end
