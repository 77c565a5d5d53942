-- Which leases have ended, the longest ago first.
--
-- KEYS  1 leases (zset)
-- ARGV  1 at most so many
-- Returns the sids.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
