-- A worker's child wants to answer the room. Succeeds once for each attempt; again for the same claimant, whose first reply
-- may have been lost on the way.
--
-- KEYS  1 room hash   2 queued rooms (zset)   3 leases (zset)
-- ARGV  1 sid   2 attempt   3 claimant (unique for each task run)   4 worker   5 pid   6 lease, ms   7 time to live, ms
-- Returns {'claimed', field, value, …} with the whole hash, or {'unknown' | 'stale' | 'taken' | 'over'}.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'claimant')
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
if state ~= 'queued' and state ~= 'running' then
  return {'over'}
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'running', 'claimant', ARGV[3], 'worker', ARGV[4], 'pid', ARGV[5], 'at:claimed', now)
redis.call('HDEL', KEYS[1], 'message')
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], now + ARGV[6], ARGV[1])
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'claimed')
return reply
