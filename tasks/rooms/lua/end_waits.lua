-- Nobody has answered these rooms of a tier for longer than it allows: a dead letter for each says so, and its callers are to
-- be told.
--
-- KEYS  1 open rooms (zset)   2 dead letters (stream)   3 rooms to tell what came of their wait (zset)
--       then those of admission.lua
-- ARGV  1 tier   2 longest wait, ms   3 reason   4 at most so many   5 time to live, ms   6 dead letters to keep
--       7 prefix of conversations   8 prefix of the rooms' hashes
-- Returns the sids, the longest wait first.

local found = {}
local since = string.format('%.0f', (now - ARGV[2]) * 1000)
local group = ARGV[1] .. '\0'
for _, member in ipairs(redis.call('ZRANGEBYLEX', UNANSWERED, '(' .. group, '(' .. group .. since, 'LIMIT', 0, ARGV[4])) do
  local sid = string.sub(member, #group + 18)
  local room = redis.call('HMGET', ROOM .. sid, 'state', 'arrived', 'name', 'tenant', 'attempt')
  if (room[1] == 'waiting' or room[1] == 'queued') and member == group .. room[2] .. '\0' .. sid then
    redis.call('HSET', ROOM .. sid, 'state', 'dead', 'reason', ARGV[3], 'at:ended', now)
    redis.call('HDEL', ROOM .. sid, 'message', 'told')
    redis.call('PEXPIRE', ROOM .. sid, ARGV[5])
    redis.call('ZREM', KEYS[1], sid)
    redis.call('DEL', ARGV[7] .. sid)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'sid', sid, 'name', room[3], 'tenant', room[4],
      'tier', ARGV[1], 'attempt', room[5], 'reason', ARGV[3])
    redis.call('ZADD', KEYS[3], now, sid)
    table.insert(found, sid)
  else
    redis.call('ZREM', UNANSWERED, member)
  end
end
-- Only now, so that none of these is let in by another.
for _, sid in ipairs(found) do
  leave(sid)
end
return found
