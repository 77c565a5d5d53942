-- Send a notice again, or now, also to a backend that is paused or disabled. It comes before the others of its call.
--
-- KEYS  notice_key (hash), backends_due_key (zset), backends_disabled_key (hash)
-- ARGV  id
--       at_once               calls of a tenant that may have a lease
--       notice_prefix, queue_prefix, calls_prefix, leases_prefix, done_prefix, backend_prefix
--       keep_ms               TTL of all of it
--       failures_to_pause     failed tries in a row after which a backend is paused
-- Returns 'unknown' (it is no longer kept), 'now' (it had to be sent anyway), or 'again'.

local notice_key, backends_due_key, backends_disabled_key = unpack(KEYS)
local id, at_once, notice_prefix, queue_prefix, calls_prefix, leases_prefix, done_prefix, backend_prefix, keep_ms,
  failures_to_pause = unpack(ARGV)

--- @include "lib/notice_queue"

local tenant, sid, state = unpack(redis.call('HMGET', notice_key, 'tenant', 'sid', 'state'))
if not tenant then
  return 'unknown'
end
if state ~= 'pending' then
  redis.call('HSET', notice_key, 'state', 'pending', 'tries', 0)
  redis.call('HDEL', notice_key, 'finished_ms', 'token', 'begun')
  redis.call('PEXPIRE', notice_key, keep_ms)
  redis.call('ZREM', done_prefix .. tenant, id)
  redis.call('LPUSH', queue_prefix .. sid, id)
  redis.call('PEXPIRE', queue_prefix .. sid, keep_ms)
end
wait_until(tenant, sid, URGENT)
schedule(tenant)
return state == 'pending' and 'now' or 'again'
