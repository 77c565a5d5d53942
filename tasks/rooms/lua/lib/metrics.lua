-- The metrics of a running attempt, kept in the room's hash for its record.
--
-- KEYS  none
-- ARGV  none
-- Returns nothing; defines `keep_metrics`.

-- Each is JSON, or '' if there is nothing new of it.
local function keep_metrics(room_key, usage, turns)
  if usage ~= '' then
    redis.call('HSET', room_key, 'usage', usage)
  end
  if turns ~= '' then
    redis.call('HSET', room_key, 'turns', turns)
  end
end
