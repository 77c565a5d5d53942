-- Prove that Redis runs a script and writes: whatever opens, claims or ends a room needs both.
--
-- KEYS  probe_key (string)
-- ARGV  probe_ms              TTL of the key
-- Returns nothing.

local probe_key = unpack(KEYS)
local probe_ms = unpack(ARGV)

redis.call('SET', probe_key, 1, 'PX', probe_ms)
