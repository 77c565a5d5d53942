-- Become the leader of the reconcilers, or stay it.
--
-- KEYS  leader_key (string)
-- ARGV  candidate, term_ms
-- Returns {1, now} if the candidate leads for a term from now, else {0, now}: Redis' own time, unix ms.

local leader_key = unpack(KEYS)
local candidate, term_ms = unpack(ARGV)

--- @include "lib/clock"

local leader = redis.call('GET', leader_key)
-- A term that has longer to go than any was set before the clock stepped back.
if leader and leader ~= candidate and redis.call('PTTL', leader_key) <= tonumber(term_ms) then
  return {0, now_ms}
end
redis.call('SET', leader_key, candidate, 'PX', term_ms)
return {1, now_ms}
