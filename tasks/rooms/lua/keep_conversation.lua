-- What was said so far, for the attempt that may have to go on with it.
--
-- KEYS  1 room hash   2 conversation
-- ARGV  1 attempt   2 conversation, encrypted   3 time to live, ms   4 claimant, or '' for whoever has this attempt
-- Returns 1, or 0 if the attempt is stale.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'claimant')
if room[1] ~= 'running' or room[2] ~= ARGV[1] or (ARGV[4] ~= '' and room[3] ~= ARGV[4]) then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
