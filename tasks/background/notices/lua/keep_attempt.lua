-- Keep the record of an attempt for the notice of its call's end, in the place of its event.
--
-- KEYS  notice_events_key (stream), attempts_key (list)
-- ARGV  event                 the id of the stream's entry
--       record                JSON
--       keep_ms               TTL
-- Returns 1, or 0 if another worker has taken the event.

local notice_events_key, attempts_key = unpack(KEYS)
local event, record, keep_ms = unpack(ARGV)

if redis.call('XDEL', notice_events_key, event) == 0 then
  return 0
end
redis.call('RPUSH', attempts_key, record)
redis.call('PEXPIRE', attempts_key, keep_ms)
return 1
