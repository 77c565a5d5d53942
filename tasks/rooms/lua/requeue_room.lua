-- Requeue a room whose call was lost or handed over, for the next attempt. It keeps its permits, and its message goes
-- to the front of the queue: at once, or by `queue_delayed_rooms` when its delay is over.
--
-- KEYS  room_key (hash), conversation_key (string), queue_key (list), rooms_key (zset), leases_key (zset),
--       delayed_key (zset), dead_key (stream), calls_key (stream), notify_key (zset), then those of lib/admission
-- ARGV  sid, attempt
--       claimant              '' for any
--       max_attempts          failed attempts allowed
--       only_if_expired       '1': only if the lease has expired
--       counted               '1': it is a failed attempt
--       cause                 a LossCause
--       handed_over           '1': between two turns, so that the caller has not noticed it
--       backs_off             '1': not at once, if one attempt after another has failed quickly
--       quick_ms              an attempt that fails within this time has failed quickly
--       longest_delay_ms
--       message               of Celery, for the next attempt
--       reason                one line
--       public_reason         what callers may read, if the attempts are used up
--       open_ms, over_ms      TTL of an open room, of one that is over
--       usage, turns          of the attempt, JSON; '' for what its last renewal has kept
--       dead_length, calls_length    dead letters and records to keep
--       then that of lib/admission
-- Returns 'requeued', 'dead' (attempts used up), 'closed' (the room had finished meanwhile, so the call has ended and
-- has its records) or 'stale' (also: the lease was renewed meanwhile; nothing was changed).

local room_key, conversation_key, queue_key, rooms_key, leases_key, delayed_key, dead_key, calls_key,
  notify_key = unpack(KEYS)
local sid, attempt, claimant, max_attempts, only_if_expired, counted, cause, handed_over, backs_off,
  quick_ms, longest_delay_ms, message, reason, public_reason, open_ms, over_ms, usage, turns, dead_length,
  calls_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/fencing"
--- @include "lib/finish_room"
--- @include "lib/dead_letter"
--- @include "lib/records"
--- @include "lib/end_request"

local held, closing, name, tenant, tier, uncounted, claimed_ms, failures =
  holds(room_key, attempt, claimant, 'closing', 'name', 'tenant', 'tier', 'uncounted', 'at:claimed', 'failures')
if not held then
  return 'stale'
end
if only_if_expired == '1' and tonumber(redis.call('ZSCORE', leases_key, sid) or 0) > now_ms then
  return 'stale'
end
uncounted = tonumber(uncounted or 0) + 1 - tonumber(counted)
keep_metrics(room_key, usage, turns)
local ending = handed_over == '1' and 'handed_over' or 'lost'
local used = write_attempt_record(sid, room_key, ending, ending == 'lost' and cause or '', reason, uncounted)
redis.call('HSET', room_key, 'at:lost', now_ms)

if closing then
  local outcome, ended_by, public = requested_end(room_key, 'room finished', 'callers', '')
  finish(sid, room_key, conversation_key, 'ended', reason, ended_by, public)
  notify_requested_end(sid, ended_by)
  release(sid)
  write_call_record(sid, room_key, 'ended', outcome, used)
  return 'closed'
end
if attempt - uncounted >= tonumber(max_attempts) then
  finish(sid, room_key, conversation_key, 'dead', reason, 'limit', public_reason)
  redis.call('ZADD', notify_key, now_ms, sid)
  release(sid)
  write_dead_letter(sid, name, tenant, tier, attempt, 'attempts', reason)
  write_call_record(sid, room_key, 'dead', reason, used)
  return 'dead'
end

-- The first of quick failures is followed by an attempt at once, the others after 1 s, 2 s, 4 s, …
local quick = backs_off == '1' and now_ms - tonumber(claimed_ms or 0) < tonumber(quick_ms)
failures = quick and tonumber(failures or 0) + 1 or 0
local delay_ms = failures > 1 and math.min(tonumber(longest_delay_ms), 1000 * 2 ^ (failures - 2)) or 0

redis.call('ZREM', leases_key, sid)
-- The next attempt has its own steps.
local kept = {['at:room_started'] = true, ['at:received'] = true, ['at:lost'] = true}
for _, field in ipairs(redis.call('HKEYS', room_key)) do
  if field == 'at:first_audio' then
    redis.call('HSETNX', room_key, 'first_heard', redis.call('HGET', room_key, field))
  end
  if string.sub(field, 1, 3) == 'at:' and not kept[field] then
    redis.call('HDEL', room_key, field)
  end
end
redis.call('HDEL', room_key, 'claimant', 'worker', 'pid', 'version', 'usage', 'turns', 'move')
redis.call('HSET', room_key, 'state', 'queued', 'attempt', attempt + 1, 'uncounted', uncounted,
  'handed_over', handed_over, 'failures', failures, 'reason', reason, 'message', message, 'arrived', now_us,
  'at:queued', now_ms)
redis.call('PEXPIRE', room_key, open_ms)
acquire(sid, tenant, tier, now_us)
if delay_ms > 0 then
  redis.call('HSET', room_key, 'not_before', now_ms + delay_ms)
  redis.call('ZADD', delayed_key, now_ms + delay_ms, sid)
else
  redis.call('RPUSH', queue_key, message)
end
return 'requeued'
