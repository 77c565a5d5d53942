-- Be the one reconciler, or go on being it.
--
-- KEYS  1 leader
-- ARGV  1 candidate   2 term, ms
-- Returns 1 if the candidate leads now, else 0.

local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
