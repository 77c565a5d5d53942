-- A room was seen: make it queued and enqueue its task, unless it is known.
--
-- KEYS  1 room hash   2 open rooms (zset)   3 queue (list)
-- ARGV  1 sid   2 name   3 tenant   4 tier   5 queue   6 Celery message   7 room_started, unix ms or ''   8 received, unix ms
--       9 time to live, ms
-- Returns 'opened', or the state of the room that is known already.

local known = redis.call('HGET', KEYS[1], 'state')
if known then
  return known
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'sid', ARGV[1], 'name', ARGV[2], 'tenant', ARGV[3], 'tier', ARGV[4], 'queue', ARGV[5],
  'state', 'queued', 'attempt', 1, 'at:received', ARGV[8], 'at:queued', now)
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'at:room_started', ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('LPUSH', KEYS[3], ARGV[6])
return 'opened'
