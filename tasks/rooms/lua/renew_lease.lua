-- Renew the lease of a running call, and write what is new of it: steps, its usage and turns for the record, and the
-- conversation for an attempt that may have to go on with it.
--
-- An expired lease is renewed as well, as long as the attempt still has the call. Its child measures the steps from the
-- claim, which is on Redis' clock.
--
-- KEYS  room_key (hash), conversation_key (string), leases_key (zset)
-- ARGV  sid, attempt
--       claimant              '' for any
--       conversation          encrypted; '' if there is nothing new
--       conversation_ms       TTL
--       usage, turns          JSON; '' if there is nothing new
--       lease_ms
--       open_ms               TTL of the room
--       then pairs of a step and its ms after the claim
-- Returns 'renewed', 'closing' (renewed, but the call has to end), 'moving' (renewed, but the call has to be handed over),
-- or 'lost' (nothing was changed).

local room_key, conversation_key, leases_key = unpack(KEYS)
local sid, attempt, claimant, conversation, conversation_ms, usage, turns, lease_ms, open_ms = unpack(ARGV)

--- @include "lib/clock"
--- @include "lib/fencing"
--- @include "lib/metrics"

-- In ARGV.
local FIRST_STEP = 10

local held, closing, claimed_ms, move = holds(room_key, attempt, claimant, 'closing', 'at:claimed', 'move')
if not held then
  return 'lost'
end

for i = FIRST_STEP, #ARGV, 2 do
  redis.call('HSET', room_key, 'at:' .. ARGV[i], claimed_ms + ARGV[i + 1])
end
keep_metrics(room_key, usage, turns)
if conversation ~= '' then
  redis.call('SET', conversation_key, conversation, 'PX', conversation_ms)
end
redis.call('ZADD', leases_key, now_ms + lease_ms, sid)
redis.call('PEXPIRE', room_key, open_ms)
return closing and 'closing' or move and 'moving' or 'renewed'
