-- Which rooms wait for a task that is in no queue? Taking a task from a queue and noting that one has it are two steps of
-- Celery, and a worker that dies between them loses it: so it is put into its queue again, in front. A task that turns up
-- later all the same finds that its claim is taken.
--
-- KEYS  1 queued rooms (zset)
-- ARGV  1 prefix of the rooms' hashes   2 only rooms that were queued so many ms ago   3 look at so many at most
-- Returns {sid, …} of the rooms whose task is back.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Rooms that were queued one after another have their tasks side by side: where one is found, those that follow are looked
-- for beside it, as each LPOS goes through the whole queue up to there.
local beside = {}
local function is_in(queue, message)
  if beside[queue] and beside[queue][message] then
    return true
  end
  -- From the front, where those who have waited longest are.
  local place = redis.call('LPOS', queue, message, 'RANK', -1)
  if not place then
    return false
  end
  beside[queue] = {}
  for _, other in ipairs(redis.call('LRANGE', queue, math.max(0, place - ARGV[3]), place)) do
    beside[queue][other] = true
  end
  return true
end

local found = {}
for _, sid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2], 'LIMIT', 0, ARGV[3])) do
  local room = redis.call('HMGET', ARGV[1] .. sid, 'state', 'queue', 'message')
  if room[1] ~= 'queued' then
    redis.call('ZREM', KEYS[1], sid)
  else
    -- Its turn to be looked at comes again later, so that a long queue is looked at in pieces.
    redis.call('ZADD', KEYS[1], now, sid)
    if not is_in(room[2], room[3]) then
      redis.call('RPUSH', room[2], room[3])
      table.insert(found, sid)
    end
  end
end
return found
