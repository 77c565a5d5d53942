-- A worker has taken a task that it cannot start: the load rose, or a drain began, while it was waiting for one. The task
-- goes back to the front of its queue.
--
-- KEYS  1 room hash
-- ARGV  1 attempt
-- Returns 1, or 0 if the task is not what the room waits for any more; nothing was changed then.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'queue', 'message')
if room[1] ~= 'queued' or room[2] ~= ARGV[1] then
  return 0
end
redis.call('RPUSH', room[3], room[4])
return 1
