-- Make a notice of an event of a call, in the place of the event: neither is lost, and none is made twice.
--
-- KEYS  notice_events_key (stream), attempts_key (list), backends_due_key (zset), backends_disabled_key (hash),
--       counters_key (hash)
-- ARGV  event                 the id of the stream's entry
--       id, tenant, sid, type
--       data                  JSON
--       occurred_ms           when the event was, unix ms
--       urgent                '1': send it also to a backend that is disabled
--       is_last               '1': the attempts of the call are in it, and need not be kept any more
--       per_tenant            notices of a tenant that may wait
--       at_once               calls of a tenant that may have a lease
--       notice_prefix, queue_prefix, calls_prefix, leases_prefix, log_prefix, done_prefix, backend_prefix
--       keep_ms               TTL of all of it
--       done_length           notices to keep that are delivered or given up
--       failures_to_pause     failed tries in a row after which a backend is paused
-- Returns 'added', 'dropped' (too many wait), or 'taken' (another worker has made it).

local notice_events_key, attempts_key, backends_due_key, backends_disabled_key, counters_key = unpack(KEYS)
local event, id, tenant, sid, type, data, occurred_ms, urgent, is_last, per_tenant, at_once, notice_prefix,
  queue_prefix, calls_prefix, leases_prefix, log_prefix, done_prefix, backend_prefix, keep_ms, done_length,
  failures_to_pause = unpack(ARGV)

--- @include "lib/notice_queue"

if redis.call('XDEL', notice_events_key, event) == 0 then
  return 'taken'
end
if is_last == '1' then
  redis.call('DEL', attempts_key)
end
local log_key = log_prefix .. tenant
redis.call('ZREMRANGEBYSCORE', log_key, '-inf', now_ms - tonumber(keep_ms))
redis.call('ZREMRANGEBYSCORE', done_prefix .. tenant, '-inf', now_ms - tonumber(keep_ms))
if redis.call('ZCARD', log_key) - redis.call('ZCARD', done_prefix .. tenant) >= tonumber(per_tenant) then
  redis.call('HINCRBY', counters_key, 'notices:dropped', 1)
  redis.call('HINCRBY', backend_prefix .. tenant, 'dropped', 1)
  redis.call('PEXPIRE', backend_prefix .. tenant, keep_ms)
  return 'dropped'
end

redis.call('HSET', notice_prefix .. id, 'id', id, 'tenant', tenant, 'sid', sid, 'type', type, 'data', data,
  'occurred_ms', occurred_ms, 'state', 'pending', 'tries', 0)
redis.call('PEXPIRE', notice_prefix .. id, keep_ms)
redis.call('ZADD', log_key, now_ms, id)
redis.call('PEXPIRE', log_key, keep_ms)
local is_first = not first_notice(sid)
redis.call('RPUSH', queue_prefix .. sid, id)
redis.call('PEXPIRE', queue_prefix .. sid, keep_ms)
-- A call whose earlier notices wait has its time already.
if is_first then
  wait_until(tenant, sid, urgent == '1' and URGENT or now_ms)
  schedule(tenant)
end
return 'added'
