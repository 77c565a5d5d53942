-- A room was seen: make it queued and enqueue its task, unless it is known. One that is over can be opened again, where its
-- caller has come back or an operator replays its dead letter: as the next attempt, so that all writes of earlier ones stay
-- stale, and with the count of failed attempts at zero.
--
-- KEYS  1 room hash   2 open rooms (zset)   3 queued rooms (zset)   4 queue (list)
-- ARGV  1 sid   2 name   3 tenant   4 tier   5 queue   6 Celery message, for the attempt of 12   7 room_started, unix ms or ''
--       8 received, unix ms   9 time to live, ms   10 '1': also if it is dead
--       11 also if it ended before this, unix ms, or ''   12 attempt: one more than the room has had, 1 for a new room
-- Returns 'opened', 'ahead' (the room has had other attempts than 12 says; nothing was changed), or the state of the room
-- that is known already.

local known = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'at:ended')
local state, attempt, ended = known[1], tonumber(known[2] or 0), tonumber(known[3] or 0)
local replayed = state == 'dead' and ARGV[10] == '1'
local back = state == 'ended' and ARGV[11] ~= '' and ended < tonumber(ARGV[11])
if state and not replayed and not back then
  return state
end
if tonumber(ARGV[12]) ~= attempt + 1 then
  return 'ahead'
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'sid', ARGV[1], 'name', ARGV[2], 'tenant', ARGV[3], 'tier', ARGV[4], 'queue', ARGV[5],
  'message', ARGV[6], 'state', 'queued', 'attempt', ARGV[12], 'uncounted', attempt, 'at:received', ARGV[8],
  'at:queued', now)
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'at:room_started', ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('LPUSH', KEYS[4], ARGV[6])
return 'opened'
