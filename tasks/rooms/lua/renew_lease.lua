-- The child that runs the call is alive. An expired lease that nobody has taken over is renewed as well: the attempt decides.
--
-- KEYS  1 room hash   2 leases (zset)
-- ARGV  1 sid   2 attempt   3 lease, ms   4 time to live, ms   5 claimant, or '' for whoever has this attempt
-- Returns 'kept', 'closing' (kept, but the room has finished), or 'lost'.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'closing', 'claimant')
if room[1] ~= 'running' or room[2] ~= ARGV[2] or (ARGV[5] ~= '' and room[4] ~= ARGV[5]) then
  return 'lost'
end

local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return room[3] and 'closing' or 'kept'
