-- The call of this attempt is lost, or handed over: queue the room again, in front of those who have waited less, for the
-- next attempt. It keeps its place.
--
-- KEYS  1 room hash   2 open rooms (zset)   3 leases (zset)   4 queue (list)   5 dead letters (stream)   6 conversation
--       7 call records (stream)   then those of admission.lua
-- ARGV  1 sid   2 attempt   3 attempts allowed   4 Celery message of the next attempt   5 reason   6 time to live, ms
--       7 the same for a room that is over   8 dead letters and records to keep   9 '1': only if its lease has ended
--       10 '1': it is handed over between two turns, which is no failed attempt
--       11 claimant, or '' for whoever has this attempt   12 prefix of the rooms' hashes
-- Returns 'requeued', 'dead' (attempts used up), 'closed' (the room had finished meanwhile, so the call has ended and has
-- its record) or 'stale' (also: the lease was renewed meanwhile).

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'closing', 'name', 'tenant', 'tier', 'uncounted',
  'claimant')
if room[1] ~= 'running' or room[2] ~= ARGV[2] or (ARGV[11] ~= '' and room[8] ~= ARGV[11]) then
  return 'stale'
end
if ARGV[9] == '1' and tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or 0) > now then
  return 'stale'
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[1], 'at:lost', now, 'reason', ARGV[5])

local handed_over = ARGV[10] == '1'
local uncounted = tonumber(room[7] or 0) + (handed_over and 1 or 0)
if room[3] or ARGV[2] - uncounted >= tonumber(ARGV[3]) then
  local state = room[3] and 'ended' or 'dead'
  redis.call('HSET', KEYS[1], 'state', state, 'at:ended', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[6])
  leave(ARGV[1])
  if state == 'ended' then
    record_call(KEYS[7], 'room finished', '[]', ARGV[8])
    return 'closed'
  end
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[8], '*', 'sid', ARGV[1], 'name', room[4], 'tenant', room[5],
    'tier', room[6], 'attempt', ARGV[2], 'reason', ARGV[5])
  return 'dead'
end

-- The steps of the next attempt are yet to come.
local kept = {['at:room_started'] = true, ['at:received'] = true, ['at:lost'] = true}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 3) == 'at:' and not kept[field] then
    redis.call('HDEL', KEYS[1], field)
  end
end
redis.call('HDEL', KEYS[1], 'claimant', 'worker', 'pid')
redis.call('HSET', KEYS[1], 'state', 'queued', 'attempt', ARGV[2] + 1, 'uncounted', uncounted,
  'handed_over', handed_over and 1 or 0, 'message', ARGV[4], 'arrived', arriving, 'at:queued', now)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
take_places(ARGV[1], room[5], room[6], arriving)
redis.call('RPUSH', KEYS[4], ARGV[4])
return 'requeued'
