-- Take a room from those whose callers have to be notified: they have been, of all that had happened when it was listed.
--
-- KEYS  notify_key (zset)
-- ARGV  sid
--       listed_ms             when its callers had to be notified, as it was listed
-- Returns 1, or 0 if something has happened since: its callers have to be notified again.

local notify_key = unpack(KEYS)
local sid, listed_ms = unpack(ARGV)

if tonumber(redis.call('ZSCORE', notify_key, sid) or '') ~= tonumber(listed_ms) then
  return 0
end
return redis.call('ZREM', notify_key, sid)
