-- Forget the state of a tenant's backend: it is enabled, and what waits for it is sent.
--
-- KEYS  backend_key (hash), backends_due_key (zset), backends_disabled_key (hash)
-- ARGV  tenant
-- Returns 1, or 0 if it was not disabled.

local backend_key, backends_due_key, backends_disabled_key = unpack(KEYS)
local tenant = unpack(ARGV)

--- @include "lib/clock"

redis.call('DEL', backend_key)
-- At the next look, too much is put right.
redis.call('ZADD', backends_due_key, now_ms, tenant)
return redis.call('HDEL', backends_disabled_key, tenant)
