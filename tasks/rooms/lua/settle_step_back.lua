-- Settle what was stamped before Redis' clock stepped back, which would count as fresh until the clock has caught up.
--
-- Run it once every lease that is renewed has been renewed by the new clock.
--
-- KEYS  leases_key (zset), queued_key (zset)
-- ARGV  longest_ms            no lease has longer to go
--       most                  leases, and as many messages, at most
-- Returns how many leases have been ended, and how many messages are due to be looked for.

local leases_key, queued_key = unpack(KEYS)
local longest_ms, most = unpack(ARGV)

--- @include "lib/clock"

local function stamp(key, later_than_ms)
  local ahead = redis.call('ZRANGEBYSCORE', key, '(' .. later_than_ms, '+inf', 'LIMIT', 0, most)
  for _, member in ipairs(ahead) do
    redis.call('ZADD', key, 0, member)
  end
  return #ahead
end

return {stamp(leases_key, now_ms + longest_ms), stamp(queued_key, now_ms)}
