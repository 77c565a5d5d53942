-- Write a dead letter for a room that no attempt could answer, and end it.
--
-- Without an attempt it is a room for which no tenant was found: an unknown one, or one that is over and whose caller
-- has come back. It can be opened as soon as a tenant is found.
--
-- KEYS  room_key (hash), conversation_key (string), rooms_key (zset), leases_key (zset), delayed_key (zset),
--       dead_key (stream), calls_key (stream), notice_events_key (stream), notify_key (zset), counters_key (hash),
--       then those of lib/admission
-- ARGV  sid
--       attempt               '' for a room for which no tenant was found
--       claimant              '' for any
--       name                  of a room for which no tenant was found
--       ended_before_ms       of one: write it also if its callers have ended it before this, unix ms; or ''
--       reason                one line
--       public_reason         what callers may read
--       over_ms               TTL of the room
--       usage, turns          of the attempt, JSON; '' for what its last renewal has kept
--       dead_length, calls_length, notice_events_length    dead letters, records and events to keep
--       then that of lib/admission
-- Returns 1, or 0 if the attempt is stale, or if the room is known otherwise although `attempt` is ''. Callers in one
-- that is dead already are notified again, as one of them may have joined since, and so is a caller who joins a room that
-- a limit or an operator has ended.

local room_key, conversation_key, rooms_key, leases_key, delayed_key, dead_key, calls_key, notice_events_key,
  notify_key, counters_key = unpack(KEYS)
local sid, attempt, claimant, name, ended_before_ms, reason, public_reason, over_ms, usage, turns, dead_length,
  calls_length, notice_events_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/announced"
--- @include "lib/fencing"
--- @include "lib/finish_room"
--- @include "lib/dead_letter"
--- @include "lib/records"

if attempt == '' then
  local room = read_announced(room_key, ended_before_ms)
  if not room.unanswered then
    if room.state == 'dead' or room.uninformed then
      redis.call('ZADD', notify_key, now_ms, sid)
    end
    return 0
  end
  local agent_metadata, number = read_room(room_key, 'agent_metadata', 'number')
  -- The steps of a call before this one are in its own record.
  redis.call('DEL', room_key)
  redis.call('HSET', room_key, 'name', name, 'unopened', '1')
  if room.attempts > 0 then
    redis.call('HSET', room_key, 'attempt', room.attempts)
  end
  if agent_metadata then
    redis.call('HSET', room_key, 'agent_metadata', agent_metadata)
  end
  if number then
    redis.call('HSET', room_key, 'number', number)
  end
  finish(sid, room_key, conversation_key, 'dead', reason, 'limit', public_reason)
  redis.call('ZADD', notify_key, now_ms, sid)
  write_dead_letter(sid, name, '', '', '0', 'tenant', reason)
  redis.call('HINCRBY', counters_key, 'started:', 1)
  write_call_record(sid, room_key, 'dead', reason, '[]')
  return 1
end

local held, known_name, tenant, tier, uncounted =
  holds(room_key, attempt, claimant, 'name', 'tenant', 'tier', 'uncounted')
if not held then
  return 0
end
keep_metrics(room_key, usage, turns)
local used = write_attempt_record(sid, room_key, 'dead', '', reason, uncounted or 0)
finish(sid, room_key, conversation_key, 'dead', reason, 'limit', public_reason)
redis.call('ZADD', notify_key, now_ms, sid)
write_dead_letter(sid, known_name, tenant, tier, attempt, 'unanswerable', reason)
write_call_record(sid, room_key, 'dead', reason, used)
release(sid)
return 1
