-- The room has finished on the LiveKit server. A call that waits is cancelled (its task, if it has one, then finds nothing to
-- do), a running one is told to end. A room nobody opened is remembered as cancelled, because its room_started may still be
-- on the way.
--
-- KEYS  1 room hash   2 open rooms (zset)   3 conversation   then those of admission.lua
-- ARGV  1 sid   2 time to live, ms   3 prefix of the rooms' hashes
-- Returns 'cancelled', 'closing', 'unknown' or 'over'.

local state = redis.call('HGET', KEYS[1], 'state')
if state == 'running' then
  redis.call('HSET', KEYS[1], 'closing', now)
  return 'closing'
end
if state and state ~= 'queued' and state ~= 'waiting' then
  return 'over'
end

redis.call('HSET', KEYS[1], 'sid', ARGV[1], 'state', 'cancelled', 'reason', 'room finished', 'at:ended', now)
redis.call('HDEL', KEYS[1], 'message')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
leave(ARGV[1])
return state and 'cancelled' or 'unknown'
