-- List the rooms whose lease has expired, the longest ago first.
--
-- KEYS  leases_key (zset)
-- ARGV  most                  at most so many
-- Returns the sids.

local leases_key = unpack(KEYS)
local most = unpack(ARGV)

--- @include "lib/clock"

return redis.call('ZRANGEBYSCORE', leases_key, '-inf', now_ms, 'LIMIT', 0, most)
