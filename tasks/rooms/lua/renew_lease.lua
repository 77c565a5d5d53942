-- Renew the lease of a running call, and write what is new of it: steps, its usage and turns for the record, and the
-- conversation for an attempt that may have to go on with it.
--
-- An expired lease is renewed as well, as long as the attempt still has the call. Its child measures the steps from the
-- claim, which is on Redis' clock.
--
-- KEYS  room_key (hash), conversation_key (string), leases_key (zset), notice_events_key (stream)
-- ARGV  sid, attempt
--       claimant              '' for any
--       conversation          encrypted; '' if there is nothing new
--       conversation_ms       TTL
--       usage, turns          JSON; '' if there is nothing new
--       lease_ms
--       open_ms               TTL of the room
--       notice_events_length    events to keep
--       then pairs of a step and its ms after the claim
-- Returns 'renewed', 'closing' (renewed, but the call has to end), 'moving' (renewed, but the call has to be handed over),
-- or 'lost' (nothing was changed).

local room_key, conversation_key, leases_key, notice_events_key = unpack(KEYS)
local sid, attempt, claimant, conversation, conversation_ms, usage, turns, lease_ms, open_ms,
  notice_events_length = unpack(ARGV)

--- @include "lib/clock"
--- @include "lib/fencing"
--- @include "lib/metrics"
--- @include "lib/notices"

-- In ARGV.
local FIRST_STEP = 11

-- The caller who had lost an agent has one again: once for each attempt, as a renewal may be repeated.
local function append_recovery()
  local lost_ms, handed_over, recovered, name, tenant, tier = unpack(redis.call('HMGET', room_key, 'at:lost',
    'handed_over', 'recovered', 'name', 'tenant', 'tier'))
  if lost_ms and handed_over ~= '1' and recovered ~= attempt then
    redis.call('HSET', room_key, 'recovered', attempt)
    append_room_event('recovered', sid, name, tenant, tier, attempt)
  end
end

local held, closing, claimed_ms, move, notices = holds(room_key, attempt, claimant, 'closing', 'at:claimed', 'move',
  'notices')
if not held then
  return 'lost'
end

for i = FIRST_STEP, #ARGV, 2 do
  redis.call('HSET', room_key, 'at:' .. ARGV[i], claimed_ms + ARGV[i + 1])
  if notices and ARGV[i] == 'joined' then
    append_recovery()
  end
end
keep_metrics(room_key, usage, turns)
if conversation ~= '' then
  redis.call('SET', conversation_key, conversation, 'PX', conversation_ms)
end
redis.call('ZADD', leases_key, now_ms + lease_ms, sid)
redis.call('PEXPIRE', room_key, open_ms)
return closing and 'closing' or move and 'moving' or 'renewed'
