-- The check in front of every write of a claimant: `attempt` is the fencing token.
--
-- The attempt alone is not enough where Redis has lost, in a failover, a claim that it had acknowledged: it may grant
-- the same attempt a second time. Then the claimant decides.
--
-- KEYS  none
-- ARGV  none
-- Returns nothing; defines `holds`.

-- A missing room is not held: no caller does anything else about it than about a room that another attempt holds.
-- Returns whether this attempt of this claimant ('' for any) has the call, then the values of `fields` of the room's
-- hash.
local function holds(room_key, attempt, claimant, ...)
  local room = redis.call('HMGET', room_key, 'state', 'attempt', 'claimant', ...)
  local held = room[1] == 'running' and room[2] == attempt and (claimant == '' or room[3] == claimant)
  return held, unpack(room, 4)
end
