-- The notices of a call: a list, the first of which is sent until it is delivered or given up.
--
-- KEYS  none of its own
-- ARGV  none of its own; uses the action's notice_prefix, queue_prefix, calls_prefix, leases_prefix, keep_ms
-- Returns nothing; defines `first_notice`, `wait_until`, `finish_notice`.

--- @include "lib/backend"

-- Returns the id of the first notice of a call that is still kept, or nil.
local function first_notice(sid)
  while true do
    local id = redis.call('LINDEX', queue_prefix .. sid, 0)
    if not id or redis.call('EXISTS', notice_prefix .. id) == 1 then
      return id or nil
    end
    redis.call('LPOP', queue_prefix .. sid)
  end
end

-- Let a call wait for its next try until a time, unless it has no notice left or one is being sent.
local function wait_until(tenant, sid, due)
  if first_notice(sid) and not redis.call('ZSCORE', leases_prefix .. tenant, sid) then
    redis.call('ZADD', calls_prefix .. tenant, due, sid)
    redis.call('PEXPIRE', calls_prefix .. tenant, keep_ms)
  end
end

-- Give a notice its last state: 'delivered' or 'given_up'. Of those that have one, the oldest are forgotten.
local function finish_notice(tenant, sid, id, state)
  redis.call('HSET', notice_prefix .. id, 'state', state, 'finished_ms', now_ms)
  redis.call('HDEL', notice_prefix .. id, 'next_ms', 'scheduled_ms')
  redis.call('PEXPIRE', notice_prefix .. id, keep_ms)
  redis.call('LREM', queue_prefix .. sid, 1, id)
  redis.call('HINCRBY', counters_key, 'notices:' .. state, 1)
  local done_key, log_key = done_prefix .. tenant, log_prefix .. tenant
  redis.call('ZADD', done_key, now_ms, id)
  redis.call('PEXPIRE', done_key, keep_ms)
  local over = redis.call('ZCARD', done_key) - tonumber(done_length)
  if over > 0 then
    for _, oldest in ipairs(redis.call('ZRANGE', done_key, 0, over - 1)) do
      redis.call('DEL', notice_prefix .. oldest)
      redis.call('ZREM', log_key, oldest)
    end
    redis.call('ZREMRANGEBYRANK', done_key, 0, over - 1)
  end
end
