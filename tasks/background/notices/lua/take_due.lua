-- Take calls that have a notice to send, each with a lease: for all tenants together `most`, for each as many as it may
-- have at once, and for a backend that fails one.
--
-- KEYS  backends_due_key (zset), backends_disabled_key (hash)
-- ARGV  token                 unique for each time this is asked
--       most                  calls to take
--       lease_ms              until the try has begun
--       at_once               calls of a tenant that may have a lease
--       notice_prefix, queue_prefix, calls_prefix, leases_prefix, backend_prefix
--       keep_ms               TTL of all of it
--       failures_to_pause     failed tries in a row after which a backend is paused
-- Returns {{tenant, sid, id of the notice}, …}.

local backends_due_key, backends_disabled_key = unpack(KEYS)
local token, most, lease_ms, at_once, notice_prefix, queue_prefix, calls_prefix, leases_prefix, backend_prefix,
  keep_ms, failures_to_pause = unpack(ARGV)

--- @include "lib/notice_queue"

local MOST_TENANTS = 100
local taken = {}

-- A try whose lease has ended died with its process, or its message was lost.
local function return_expired(tenant)
  for _, sid in ipairs(redis.call('ZRANGEBYSCORE', leases_prefix .. tenant, '-inf', now_ms)) do
    redis.call('ZREM', leases_prefix .. tenant, sid)
    wait_until(tenant, sid, now_ms)
  end
end

local function take(tenant, sid)
  redis.call('ZREM', calls_prefix .. tenant, sid)
  local id = first_notice(sid)
  if id then
    redis.call('ZADD', leases_prefix .. tenant, now_ms + lease_ms, sid)
    redis.call('PEXPIRE', leases_prefix .. tenant, keep_ms)
    redis.call('HSET', notice_prefix .. id, 'token', token)
    table.insert(taken, {tenant, sid, id})
  end
end

for _, tenant in ipairs(redis.call('ZRANGEBYSCORE', backends_due_key, '-inf', now_ms, 'LIMIT', 0, MOST_TENANTS)) do
  if #taken >= tonumber(most) then
    break
  end
  return_expired(tenant)
  local free = math.min(capacity(tenant), most - #taken)
  if free > 0 then
    local latest = is_held_back(tenant) and URGENT or now_ms
    for _, sid in ipairs(redis.call('ZRANGEBYSCORE', calls_prefix .. tenant, '-inf', latest, 'LIMIT', 0, free)) do
      take(tenant, sid)
    end
  end
  schedule(tenant)
end
return taken
