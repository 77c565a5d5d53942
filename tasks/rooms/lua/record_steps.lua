-- Record the steps that a call has reached. Its child measures them from the claim, which is on Redis' clock.
--
-- KEYS  room_key (hash)
-- ARGV  attempt
--       claimant              '' for any
--       then pairs of a step and its ms after the claim
-- Returns 1, or 0 if the attempt is stale.

local room_key = unpack(KEYS)
local attempt, claimant = unpack(ARGV)

--- @include "lib/fencing"

local held, claimed_ms = holds(room_key, attempt, claimant, 'at:claimed')
if not held then
  return 0
end

for i = 3, #ARGV, 2 do
  redis.call('HSET', room_key, 'at:' .. ARGV[i], claimed_ms + ARGV[i + 1])
end
return 1
