-- A worker's child wants to answer the room. Succeeds once for each attempt; again for the same claimant, whose first reply
-- may have been lost on the way. The queue then has a place for the next of its tenant's.
--
-- KEYS  1 room hash   2 leases (zset)   3 rooms to tell what came of their wait (zset)   then those of admission.lua
-- ARGV  1 sid   2 attempt   3 claimant (unique for each task run)   4 worker   5 pid   6 lease, ms   7 time to live, ms
--       8 prefix of the rooms' hashes
-- Returns {'claimed', field, value, …} with the whole hash, or {'unknown' | 'stale' | 'taken' | 'waiting' | 'over'}.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'claimant', 'tenant', 'tier', 'arrived', 'told')
local state, attempt, claimant = room[1], room[2], room[3]
if not state then
  return {'unknown'}
end
if attempt ~= ARGV[2] then
  return {'stale'}
end
if state == 'running' and claimant ~= ARGV[3] then
  return {'taken'}
end
if state == 'waiting' then
  return {'waiting'}
end
if state ~= 'queued' and state ~= 'running' then
  return {'over'}
end

redis.call('HSET', KEYS[1], 'state', 'running', 'claimant', ARGV[3], 'worker', ARGV[4], 'pid', ARGV[5], 'at:claimed', now)
redis.call('HDEL', KEYS[1], 'message', 'told')
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('ZADD', KEYS[2], now + ARGV[6], ARGV[1])
if room[7] then
  redis.call('ZADD', KEYS[3], now, ARGV[1])
end
answer(ARGV[1], room[4], room[5], room[6])
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'claimed')
return reply
