-- Return the message of a queued room to the front of its queue.
--
-- A worker does so with a message that it took but cannot start: the load rose, or a drain began, while it waited for
-- one.
--
-- KEYS  room_key (hash)
-- ARGV  attempt
-- Returns 1, or 0 if the room no longer waits for this attempt; nothing was changed then.

local room_key = unpack(KEYS)
local attempt = unpack(ARGV)

local room = redis.call('HMGET', room_key, 'state', 'attempt', 'queue', 'message')
if room[1] ~= 'queued' or room[2] ~= attempt then
  return 0
end
redis.call('RPUSH', room[3], room[4])
return 1
