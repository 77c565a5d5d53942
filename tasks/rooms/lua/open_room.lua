-- Open a room and put its message onto its queue, or onto the waitlist where its tenant or its tier has no permit for
-- it.
--
-- A room that is over can be opened again where its caller has come back or an operator replays its dead letter: as the
-- next attempt, so that all writes of earlier ones stay stale, and with the count of failed attempts at zero. A room that
-- is dead because no tenant was found for it needs neither: its tenant is known by now.
--
-- Where its tenant has as many waiting rooms as it may have, a room is refused: it is over, its callers are notified
-- that their tenant is busy, and there is a call record of it but no dead letter. It is soon forgotten. If very many
-- callers are to be notified already it is forgotten at once, without a record, and tried again with the next look at the
-- LiveKit server's list.
--
-- KEYS  room_key (hash), conversation_key (string), rooms_key (zset), leases_key (zset), delayed_key (zset),
--       notify_key (zset)
--       agent_metadata_key (string)    of a room that was requested
--       trace_key (string)             of a room that was requested
--       calls_key (stream), notice_events_key (stream), counters_key (hash)
--       then those of lib/admission
-- ARGV  sid, name, tenant, tier, queue
--       message               of Celery, for `attempt`
--       started_at_ms         unix ms of room_started, or ''
--       received_at_ms        unix ms
--       attempt               one more than the room has had; 1 for a new room
--       replay                '1': open it also if it is dead
--       ended_before_ms       open it also if its callers have ended it before this, unix ms; or ''
--       tenant_limit, tier_limit, unclaimed_limit, waiting_limit    '' for none
--       agent_metadata        encrypted; '' for what the room has already, or was requested with
--       number                the caller's telephone number; '' for what the room has already
--       trace                 the context of the dispatch; '' for none. That with which the room was requested comes first
--       notices               '1': its tenant has declared notices
--       open_ms               TTL of the room
--       over_ms               TTL of a room that is refused
--       calls_length, notice_events_length    records and events to keep
--       then that of lib/admission
-- Returns 'queued', 'waiting' (opened, but there is no permit), 'busy' (refused, now or before), 'known' (opened
-- before), or 'stale' (the room has had other attempts than `attempt` says). Nothing was changed in the last two cases,
-- except that a caller who joins a room that a limit or an operator has ended is notified of it.

local room_key, conversation_key, rooms_key, leases_key, delayed_key, notify_key, agent_metadata_key,
  trace_key, calls_key, notice_events_key, counters_key = unpack(KEYS)
local sid, name, tenant, tier, queue, message, started_at_ms, received_at_ms, attempt, replay, ended_before_ms,
  tenant_limit, tier_limit, unclaimed_limit, waiting_limit, agent_metadata, number, trace, notices, open_ms,
  over_ms, calls_length, notice_events_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/announced"
--- @include "lib/finish_room"
--- @include "lib/records"

-- They are notified by the reconciler, some thirty rooms a second.
local MOST_TO_NOTIFY = 1000

local room = read_announced(room_key, ended_before_ms)
local attempts = room.attempts
if not (room.unanswered or room.unopened or room.state == 'dead' and replay == '1') then
  if room.uninformed then
    redis.call('ZADD', notify_key, now_ms, sid)
  end
  return room.refused and 'busy' or 'known'
end
if tonumber(attempt) ~= attempts + 1 then
  return 'stale'
end

if agent_metadata == '' then
  agent_metadata = redis.call('GET', agent_metadata_key) or read_room(room_key, 'agent_metadata') or ''
end
if number == '' then
  number = read_room(room_key, 'number') or ''
end
redis.call('DEL', room_key)
redis.call('HSET', room_key, 'sid', sid, 'name', name, 'tenant', tenant, 'tier', tier, 'queue', queue,
  'message', message, 'state', 'waiting', 'attempt', attempt, 'uncounted', attempts, 'arrived', now_us,
  'opened', now_ms, 'at:received', received_at_ms)
if started_at_ms ~= '' then
  redis.call('HSET', room_key, 'at:room_started', started_at_ms)
end
if number ~= '' then
  redis.call('HSET', room_key, 'number', number)
end
if agent_metadata ~= '' then
  redis.call('HSET', room_key, 'agent_metadata', agent_metadata)
end
if notices == '1' then
  redis.call('HSET', room_key, 'notices', '1')
end
trace = redis.call('GET', trace_key) or trace
if trace ~= '' then
  redis.call('HSET', room_key, 'trace', trace)
end
redis.call('PEXPIRE', room_key, open_ms)
redis.call('ZADD', rooms_key, now_ms, sid)
redis.call('ZADD', unanswered_key, 0, tier .. '\0' .. now_us .. '\0' .. sid)
redis.call('ZADD', waitlist_key, 0, tenant .. '\0' .. now_us .. '\0' .. sid)
set_limit('tenant:' .. tenant, tenant_limit)
set_limit('tier:' .. tier, tier_limit)
set_limit('unclaimed', unclaimed_limit)
-- Even where there is a permit, rooms that have waited longer come first.
admit(tenant, tier)

local function count_start()
  redis.call('HINCRBY', counters_key, 'started:' .. tier, 1)
  if notices == '1' then
    append_room_event('started', sid, name, tenant, tier, attempt)
  end
end

if redis.call('HGET', room_key, 'state') == 'queued' then
  count_start()
  return 'queued'
end
redis.call('HSET', room_key, 'at:waiting', now_ms)
if waiting_limit == '' or count(waitlist_key, tenant) <= tonumber(waiting_limit) then
  count_start()
  if notices == '1' then
    append_room_event('waiting', sid, name, tenant, tier, attempt)
  end
  return 'waiting'
end

-- The attempt has not been one.
redis.call('HSET', room_key, 'attempt', attempts, 'refused', '1')
local reason = 'its tenant has as many waiting rooms as it may have'
finish(sid, room_key, conversation_key, 'dead', reason, 'limit', 'busy')
release(sid)
if redis.call('ZCARD', notify_key) < MOST_TO_NOTIFY then
  redis.call('ZADD', notify_key, now_ms, sid)
  redis.call('HINCRBY', counters_key, 'started:' .. tier, 1)
  write_call_record(sid, room_key, 'refused', reason, '[]')
else
  redis.call('DEL', room_key)
end
return 'busy'
