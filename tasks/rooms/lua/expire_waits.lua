-- Write dead letters and call records for the rooms of a tier that have waited longer than it allows, and list their
-- callers for notice.
--
-- KEYS  rooms_key (zset), leases_key (zset), delayed_key (zset), dead_key (stream), calls_key (stream),
--       notice_events_key (stream), notify_key (zset), then those of lib/admission
-- ARGV  conversation_prefix
--       tier, longest_ms, reason, public_reason
--       most                  at most so many
--       over_ms               TTL of the rooms
--       dead_length, calls_length, notice_events_length    dead letters, records and events to keep
--       then that of lib/admission
-- Returns the sids, the longest wait first.

local rooms_key, leases_key, delayed_key, dead_key, calls_key, notice_events_key, notify_key = unpack(KEYS)
local conversation_prefix, tier, longest_ms, reason, public_reason, most, over_ms,
  dead_length, calls_length, notice_events_length = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/finish_room"
--- @include "lib/dead_letter"
--- @include "lib/records"

local expired = {}
local group = tier .. '\0'
local since = string.format('%.0f', (now_ms - longest_ms) * 1000)
local members = redis.call('ZRANGEBYLEX', unanswered_key, '(' .. group, '(' .. group .. since, 'LIMIT', 0, most)
for _, member in ipairs(members) do
  local sid = string.sub(member, #group + 18)
  local room_key = room_prefix .. sid
  local state, arrived, name, tenant, attempt =
    read_room(room_key, 'state', 'arrived', 'name', 'tenant', 'attempt')
  if (state == 'waiting' or state == 'queued') and member == group .. (arrived or '') .. '\0' .. sid then
    finish(sid, room_key, conversation_prefix .. sid, 'dead', reason, 'limit', public_reason)
    write_dead_letter(sid, name, tenant, tier, attempt, 'wait', reason)
    write_call_record(sid, room_key, 'dead', reason, '[]')
    redis.call('ZADD', notify_key, now_ms, sid)
    table.insert(expired, sid)
  else
    redis.call('ZREM', unanswered_key, member)
  end
end
-- After all of them have finished, so that none of them is let in by another.
for _, sid in ipairs(expired) do
  release(sid)
end
return expired
