-- The call reached steps, at times measured by its child as distances from the claim.
--
-- KEYS  1 room hash
-- ARGV  1 attempt   2 claimant, or '' for whoever has this attempt   then pairs: step, ms after the claim
-- Returns 1, or 0 if the attempt is stale.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'at:claimed', 'claimant')
if room[1] ~= 'running' or room[2] ~= ARGV[1] or (ARGV[2] ~= '' and room[4] ~= ARGV[2]) then
  return 0
end

for i = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'at:' .. ARGV[i], room[3] + ARGV[i + 1])
end
return 1
