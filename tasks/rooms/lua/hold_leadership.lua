-- Become the leader of the reconcilers, or stay it.
--
-- KEYS  leader_key (string)
-- ARGV  candidate, term_ms
-- Returns 1 if the candidate leads for a term from now, else 0.

local leader_key = unpack(KEYS)
local candidate, term_ms = unpack(ARGV)

local leader = redis.call('GET', leader_key)
if leader and leader ~= candidate then
  return 0
end
redis.call('SET', leader_key, candidate, 'PX', term_ms)
return 1
