-- Begin a try: read the notice, if its lease is still the one that was taken for this try.
--
-- A message that comes late or twice begins nothing.
--
-- KEYS  notice_key (hash), leases_key (zset)
-- ARGV  sid, token
--       lease_ms              from now on
-- Returns {field, value, …} of the notice, or {} if this try is stale.

local notice_key, leases_key = unpack(KEYS)
local sid, token, lease_ms = unpack(ARGV)

--- @include "lib/clock"

local known, begun = unpack(redis.call('HMGET', notice_key, 'token', 'begun'))
if known ~= token or begun == token or not redis.call('ZSCORE', leases_key, sid) then
  return {}
end
redis.call('HSET', notice_key, 'begun', token)
redis.call('ZADD', leases_key, now_ms + lease_ms, sid)
return redis.call('HGETALL', notice_key)
