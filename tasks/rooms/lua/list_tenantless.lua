-- List rooms that wait for a tenant, the longest wait first.
--
-- KEYS  tenantless_key (zset)
-- ARGV  most                  at most so many
-- Returns {{sid, name, since (unix ms), ms waited}, …}.

local tenantless_key = unpack(KEYS)
local most = unpack(ARGV)

--- @include "lib/clock"

local waits = {}
local found = redis.call('ZRANGE', tenantless_key, 0, most - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  local sid, name = string.match(found[i], '^([^%z]*)%z(.*)$')
  if sid then
    table.insert(waits, {sid, name, found[i + 1], now_ms - found[i + 1]})
  else
    redis.call('ZREM', tenantless_key, found[i])
  end
end
return waits
