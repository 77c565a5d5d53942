-- Finish a try: keep its result, and let the call wait for the next try, or go on with its next notice.
--
-- KEYS  notice_key (hash), leases_key (zset), backend_key (hash), backends_due_key (zset),
--       backends_disabled_key (hash), counters_key (hash)
-- ARGV  tenant, sid, id, token
--       result                one of those below
--       attempt               JSON: when, how long, the answer; '' if there was no try
--       delay_ms              until the next try; '' for no more
--       is_test               '1': of an operator, so that its failure says nothing about the backend
--       disable_ms            a backend that has failed for so long is disabled
--       disabled              JSON, kept of a backend that is disabled
--       at_once               calls of a tenant that may have a lease
--       notice_prefix, queue_prefix, calls_prefix, leases_prefix, log_prefix, done_prefix, backend_prefix
--       keep_ms               TTL of all of it
--       done_length           notices to keep that are delivered or given up
--       failures_to_pause, longest_pause_ms, revival_ms, most_revived
--
-- Results: 'delivered'; 'failed'; 'gone' (failed, and the backend wants no more); 'postponed' (there was no try);
-- 'dropped' (its tenant wants it no more).
--
-- Returns 'stale' (nothing was changed), or the state of the notice; and '1' if this has disabled the backend, else ''.

local notice_key, leases_key, backend_key, backends_due_key, backends_disabled_key, counters_key = unpack(KEYS)
local tenant, sid, id, token, result, attempt, delay_ms, is_test, disable_ms, disabled, at_once, notice_prefix,
  queue_prefix, calls_prefix, leases_prefix, log_prefix, done_prefix, backend_prefix, keep_ms, done_length,
  failures_to_pause, longest_pause_ms, revival_ms, most_revived = unpack(ARGV)

--- @include "lib/notice_queue"

if redis.call('HGET', notice_key, 'token') ~= token then
  return {'stale', ''}
end
redis.call('HDEL', notice_key, 'token', 'begun')
redis.call('ZREM', leases_key, sid)
local scheduled_ms = redis.call('HGET', notice_key, 'scheduled_ms')
if attempt ~= '' then
  local number = redis.call('HINCRBY', notice_key, 'attempts', 1)
  redis.call('HSET', notice_key, 'attempt:' .. number, attempt)
  redis.call('HINCRBY', counters_key, 'tries:' .. (result == 'delivered' and 'delivered' or 'failed'), 1)
end

-- A backend that has taken nothing for a while takes notices again: those that wait for a later try are sent now. Such
-- a try is not one of those that a notice has, as it comes before its time.
local function revive()
  local waiting = redis.call('ZRANGEBYSCORE', calls_prefix .. tenant, '(' .. now_ms, '+inf', 'WITHSCORES', 'LIMIT', 0,
    most_revived)
  for i = 1, #waiting, 2 do
    local first = first_notice(waiting[i])
    if first then
      redis.call('HSET', notice_prefix .. first, 'scheduled_ms', waiting[i + 1])
      redis.call('ZADD', calls_prefix .. tenant, now_ms, waiting[i])
    end
  end
  if #waiting == 2 * tonumber(most_revived) then
    redis.call('HSET', backend_key, 'reviving', '1')
  else
    redis.call('HDEL', backend_key, 'reviving')
  end
end

local function note_success()
  local failing_since, reviving = unpack(redis.call('HMGET', backend_key, 'failing_since', 'reviving'))
  redis.call('HSET', backend_key, 'delivered_ms', now_ms)
  redis.call('HDEL', backend_key, 'failures', 'failing_since', 'paused_until')
  redis.call('HDEL', backends_disabled_key, tenant)
  if reviving or failing_since and now_ms - failing_since >= tonumber(revival_ms) then
    revive()
  end
end

-- Returns whether the backend is disabled by this.
local function note_failure()
  local failures = redis.call('HINCRBY', backend_key, 'failures', 1)
  redis.call('HSETNX', backend_key, 'failing_since', now_ms)
  local more = failures - tonumber(failures_to_pause)
  if more >= 0 then
    local pause_ms = math.min(tonumber(longest_pause_ms), 1000 * 2 ^ math.min(more, 20))
    redis.call('HSET', backend_key, 'paused_until', now_ms + pause_ms)
  end
  local failing_ms = now_ms - redis.call('HGET', backend_key, 'failing_since')
  return (result == 'gone' or failing_ms >= tonumber(disable_ms))
    and redis.call('HSETNX', backends_disabled_key, tenant, disabled) == 1
end

local is_disabled = false
if result == 'delivered' then
  note_success()
  finish_notice(tenant, sid, id, 'delivered')
  wait_until(tenant, sid, now_ms)
elseif result == 'dropped' then
  finish_notice(tenant, sid, id, 'given_up')
  wait_until(tenant, sid, now_ms)
else
  local failed = result ~= 'postponed'
  if failed and is_test ~= '1' then
    is_disabled = note_failure()
  end
  local next_ms = delay_ms ~= '' and now_ms + delay_ms
  if failed and scheduled_ms then
    next_ms = math.max(tonumber(scheduled_ms), now_ms + tonumber(longest_pause_ms))
  elseif failed then
    redis.call('HINCRBY', notice_key, 'tries', 1)
  end
  redis.call('HDEL', notice_key, 'scheduled_ms')
  if next_ms then
    redis.call('HSET', notice_key, 'next_ms', next_ms)
    -- An operator may have put another one before it meanwhile.
    wait_until(tenant, sid, first_notice(sid) == id and next_ms or URGENT)
  else
    finish_notice(tenant, sid, id, 'given_up')
    wait_until(tenant, sid, now_ms)
  end
end
redis.call('PEXPIRE', backend_key, keep_ms)
schedule(tenant)
return {redis.call('HGET', notice_key, 'state'), is_disabled and '1' or ''}
