-- The one transition into a terminal state: ended, cancelled or dead.
--
-- KEYS  none of its own; uses the action's rooms_key, leases_key, delayed_key
-- ARGV  none of its own; uses the action's over_ms
-- Returns nothing; defines `finish`.

--- @include "lib/clock"
--- @include "lib/message"

-- A room that was queued takes its message out of its queue. `ended_by`: 'callers', 'agent',
-- 'limit' or 'operator'.
-- `public_reason`: a word that callers may read, or ''. The caller then calls `release` of lib/admission, which gives
-- the room's permits to others.
local function finish(sid, room_key, conversation_key, state, reason, ended_by, public_reason)
  remove_message(room_key)
  redis.call('HSET', room_key, 'sid', sid, 'state', state, 'reason', reason, 'ended_by', ended_by,
    'public_reason', public_reason, 'at:ended', now_ms)
  -- A room that was never claimed still has these.
  redis.call('HDEL', room_key, 'message', 'notified', 'not_before')
  -- In the record of the attempt.
  redis.call('HDEL', room_key, 'usage', 'turns')
  redis.call('PEXPIRE', room_key, over_ms)
  redis.call('ZREM', rooms_key, sid)
  redis.call('ZREM', leases_key, sid)
  redis.call('ZREM', delayed_key, sid)
  redis.call('DEL', conversation_key)
end
