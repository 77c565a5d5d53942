-- List the rooms whose lease has expired, the longest ago first.
--
-- KEYS  leases_key (zset)
-- ARGV  most                  at most so many
--       latest_ms             unix ms that Redis' clock can show at most, unless it has stepped forward; '' for any
-- Returns the sids.

local leases_key = unpack(KEYS)
local most, latest_ms = unpack(ARGV)

--- @include "lib/clock"

local until_ms = math.min(now_ms, tonumber(latest_ms) or now_ms)
return redis.call('ZRANGEBYSCORE', leases_key, '-inf', until_ms, 'LIMIT', 0, most)
