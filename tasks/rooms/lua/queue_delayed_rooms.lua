-- Put the messages of rooms whose delay is over to the front of their queues.
--
-- KEYS  delayed_key (zset)
-- ARGV  room_prefix
--       most                  at most so many
-- Returns the sids.

local delayed_key = unpack(KEYS)
local room_prefix, most = unpack(ARGV)

--- @include "lib/clock"
--- @include "lib/read_room"

local due = redis.call('ZRANGEBYSCORE', delayed_key, '-inf', now_ms, 'LIMIT', 0, most)
for _, sid in ipairs(due) do
  redis.call('ZREM', delayed_key, sid)
  local state, queue, message, not_before =
    read_room(room_prefix .. sid, 'state', 'queue', 'message', 'not_before')
  if state == 'queued' and not_before and queue and message then
    redis.call('HDEL', room_prefix .. sid, 'not_before')
    -- If the queue is no list, the message is one that was lost.
    try('RPUSH', queue, message)
  end
end
return due
