-- The call is over: the room becomes ended, a record of the call goes onto the stream, and its place to whoever waits.
--
-- KEYS  1 room hash   2 open rooms (zset)   3 leases (zset)   4 call records (stream)   5 conversation
--       then those of admission.lua
-- ARGV  1 sid   2 attempt   3 outcome   4 usage, JSON   5 time to live, ms   6 records to keep
--       7 claimant, or '' for whoever has this attempt   8 prefix of the rooms' hashes
-- Returns 1, or 0 if the attempt is stale.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'claimant')
if room[1] ~= 'running' or room[2] ~= ARGV[2] or (ARGV[7] ~= '' and room[3] ~= ARGV[7]) then
  return 0
end

redis.call('HSET', KEYS[1], 'state', 'ended', 'reason', ARGV[3], 'at:ended', now)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[5])
record_call(KEYS[4], ARGV[3], ARGV[4], ARGV[6])
leave(ARGV[1])
return 1
