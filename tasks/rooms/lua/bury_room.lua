-- The room cannot be answered, and another attempt would not help: a dead letter says why.
--
-- KEYS  1 room hash   2 open rooms (zset)   3 leases (zset)   4 dead letters (stream)   5 conversation
--       then those of admission.lua
-- ARGV  1 sid   2 attempt, or '' for a room that was never opened   3 name   4 tenant, or ''   5 tier, or ''   6 reason
--       7 time to live, ms   8 dead letters to keep
--       9 claimant, or '' for whoever has this attempt   10 prefix of the rooms' hashes
-- Returns 'buried', the state of a room that is known already (attempt ''), or 'stale'.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'claimant')
if ARGV[2] == '' then
  if room[1] then
    return room[1]
  end
elseif room[1] ~= 'running' or room[2] ~= ARGV[2] or (ARGV[9] ~= '' and room[3] ~= ARGV[9]) then
  return 'stale'
end

-- By the tenant and the tier that it was opened with.
leave(ARGV[1])
redis.call('HSET', KEYS[1], 'sid', ARGV[1], 'name', ARGV[3], 'tenant', ARGV[4], 'tier', ARGV[5], 'state', 'dead',
  'reason', ARGV[6], 'at:ended', now)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[5])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[8], '*', 'sid', ARGV[1], 'name', ARGV[3], 'tenant', ARGV[4],
  'tier', ARGV[5], 'attempt', ARGV[2] == '' and '0' or ARGV[2], 'reason', ARGV[6])
return 'buried'
