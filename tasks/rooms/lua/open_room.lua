-- A room was seen: open it and enqueue its task, unless it is known, or let it wait in line where its tenant or its tier has
-- no place for it. One that is over can be opened again, where its caller has come back or an operator replays its dead
-- letter: as the next attempt, so that all writes of earlier ones stay stale, and with the count of failed attempts at zero.
--
-- KEYS  1 room hash   2 open rooms (zset)   then those of admission.lua
-- ARGV  1 sid   2 name   3 tenant   4 tier   5 queue   6 Celery message, for the attempt of 12   7 room_started, unix ms or ''
--       8 received, unix ms   9 time to live, ms   10 '1': also if it is dead
--       11 also if it ended before this, unix ms, or ''   12 attempt: one more than the room has had, 1 for a new room
--       13 most calls of the tenant   14 of the tier   15 most rooms of a tenant in a queue; each '' for no limit
--       16 prefix of the rooms' hashes
-- Returns 'opened', 'held' (opened, but it waits in line), 'ahead' (the room has had other attempts than 12 says; nothing was
-- changed), or the state of the room that is known already.

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

local sid, tenant, tier = ARGV[1], ARGV[3], ARGV[4]
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'sid', sid, 'name', ARGV[2], 'tenant', tenant, 'tier', tier, 'queue', ARGV[5],
  'message', ARGV[6], 'state', 'waiting', 'attempt', ARGV[12], 'uncounted', attempt, 'arrived', arriving,
  'at:received', ARGV[8])
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'at:room_started', ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
redis.call('ZADD', KEYS[2], now, sid)
redis.call('ZADD', UNANSWERED, 0, tier .. '\0' .. arriving .. '\0' .. sid)
redis.call('ZADD', LINE, 0, tenant .. '\0' .. arriving .. '\0' .. sid)
limit('tenant:' .. tenant, ARGV[13])
limit('tier:' .. tier, ARGV[14])
limit('unclaimed', ARGV[15])
-- Even where there is a place, those who have waited longer come first.
admit(tenant, tier)
if redis.call('HGET', KEYS[1], 'state') == 'queued' then
  return 'opened'
end
redis.call('HSET', KEYS[1], 'at:waiting', now)
return 'held'
