-- The one transition into a terminal state: ended, cancelled or dead.
--
-- KEYS  none of its own; uses the action's rooms_key, leases_key
-- ARGV  none of its own; uses the action's over_ms
-- Returns nothing; defines `finish`.

--- @include "lib/clock"
--- @include "lib/message"

-- A room that was queued takes its message from its queue with it. The caller then calls `release` of lib/admission, which gives the room's permits to others.
local function finish(sid, room_key, conversation_key, state, reason)
  remove_message(room_key)
  redis.call('HSET', room_key, 'sid', sid, 'state', state, 'reason', reason, 'at:ended', now_ms)
  -- A room that was never claimed still has both.
  redis.call('HDEL', room_key, 'message', 'notified')
  redis.call('PEXPIRE', room_key, over_ms)
  redis.call('ZREM', rooms_key, sid)
  redis.call('ZREM', leases_key, sid)
  redis.call('DEL', conversation_key)
end
