-- Renew the lease of a running call. An expired lease is renewed as well, as long as the attempt still has the call.
--
-- KEYS  room_key (hash), leases_key (zset)
-- ARGV  sid, attempt
--       claimant              '' for any
--       lease_ms
--       open_ms               TTL of the room
-- Returns 'renewed', 'closing' (renewed, but the room has finished), or 'lost'.

local room_key, leases_key = unpack(KEYS)
local sid, attempt, claimant, lease_ms, open_ms = unpack(ARGV)

--- @include "lib/clock"
--- @include "lib/fencing"

local held, closing = holds(room_key, attempt, claimant, 'closing')
if not held then
  return 'lost'
end

redis.call('ZADD', leases_key, now_ms + lease_ms, sid)
redis.call('PEXPIRE', room_key, open_ms)
return closing and 'closing' or 'renewed'
