-- Claim a queued room for a worker's child, with a lease.
--
-- A claim succeeds once for each attempt, and again for the same claimant, whose first reply may have been lost on the
-- way. The queue then has a permit for the next room of the tenant.
--
-- KEYS  room_key (hash), leases_key (zset), delayed_key (zset), notify_key (zset), then those of lib/admission
-- ARGV  sid, attempt
--       claimant              unique for each run of a task
--       worker, pid, version    of Switchboard, for the record
--       lease_ms
--       open_ms               TTL of the room
--       then that of lib/admission
-- Returns {'claimed', field, value, …} with the whole hash, or {'unknown' | 'stale' | 'taken' | 'waiting' | 'over'}.

local room_key, leases_key, delayed_key, notify_key = unpack(KEYS)
local sid, attempt, claimant, worker, pid, version, lease_ms, open_ms = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/message"

local state, known_attempt, known_claimant, tenant, tier, arrived, notified =
  unpack(redis.call('HMGET', room_key, 'state', 'attempt', 'claimant', 'tenant', 'tier', 'arrived', 'notified'))
if not state then
  return {'unknown'}
end
if known_attempt ~= attempt then
  return {'stale'}
end
if state == 'running' and known_claimant ~= claimant then
  return {'taken'}
end
if state == 'waiting' then
  return {'waiting'}
end
if state ~= 'queued' and state ~= 'running' then
  return {'over'}
end

-- A copy of the message that is on its way to this claim.
remove_message(room_key)
if state == 'queued' then
  redis.call('HINCRBY', room_key, 'claims', 1)
  redis.call('HSETNX', room_key, 'first_claimed', now_ms)
end
redis.call('HSET', room_key, 'state', 'running', 'claimant', claimant, 'worker', worker, 'pid', pid,
  'version', version, 'at:claimed', now_ms)
redis.call('HDEL', room_key, 'message', 'notified', 'not_before')
redis.call('ZREM', delayed_key, sid)
redis.call('PEXPIRE', room_key, open_ms)
redis.call('ZADD', leases_key, now_ms + lease_ms, sid)
if notified then
  redis.call('ZADD', notify_key, now_ms, sid)
end
mark_claimed(sid, tenant, tier, arrived)
local reply = redis.call('HGETALL', room_key)
table.insert(reply, 1, 'claimed')
return reply
