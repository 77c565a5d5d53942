-- A tenant's backend: what waits for it, and the time at which a background worker has to look at it.
--
-- KEYS  none of its own; uses the action's backends_due_key, backends_disabled_key
-- ARGV  none of its own; uses the action's calls_prefix, leases_prefix, backend_prefix, at_once, failures_to_pause
-- Returns nothing; defines `URGENT`, `capacity`, `is_held_back`, `schedule`.
--
-- `backends_due` has the tenants by that time, which may be too early and is never too late. A call is in one of two
-- sets of its tenant: of those that wait for a try, by its time, or of those that have a lease, by its end.

--- @include "lib/clock"

-- The time of a call whose notice an operator wants sent: it goes to a backend that is paused or disabled as well.
local URGENT = 0

-- Returns how many more calls of the tenant may have a lease.
local function capacity(tenant)
  local failures = tonumber(redis.call('HGET', backend_prefix .. tenant, 'failures') or 0)
  local most = failures >= tonumber(failures_to_pause) and 1 or tonumber(at_once)
  return most - redis.call('ZCARD', leases_prefix .. tenant)
end

-- Returns nil, or until when the backend gets nothing but what is urgent: a time, or 'disabled'.
local function is_held_back(tenant)
  if redis.call('HEXISTS', backends_disabled_key, tenant) == 1 then
    return 'disabled'
  end
  local paused_until = tonumber(redis.call('HGET', backend_prefix .. tenant, 'paused_until') or 0)
  return paused_until > now_ms and paused_until or nil
end

local function first_score(key)
  return tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end

-- Set the time at which to look at the tenant again.
local function schedule(tenant)
  local due = first_score(leases_prefix .. tenant)
  local first = first_score(calls_prefix .. tenant)
  if first and capacity(tenant) > 0 then
    local held_back = first > URGENT and is_held_back(tenant)
    if held_back ~= 'disabled' then
      local next_try = math.max(first, held_back or first)
      due = due and math.min(due, next_try) or next_try
    end
  end
  if due then
    redis.call('ZADD', backends_due_key, due, tenant)
  else
    redis.call('ZREM', backends_due_key, tenant)
  end
end
