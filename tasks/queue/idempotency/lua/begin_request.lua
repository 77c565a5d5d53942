-- Store a request for a call, unless it is stored already.
--
-- KEYS  request_key (hash)
-- ARGV  fingerprint
--       room                  name of the room to make
--       made_at               now, unix s
--       request_ms            TTL
-- Returns what is stored: {fingerprint, room, made_at, sid of the room, or '' until it is open}.

local request_key = unpack(KEYS)
local fingerprint, room, made_at, request_ms = unpack(ARGV)

if redis.call('EXISTS', request_key) == 0 then
  redis.call('HSET', request_key, 'fingerprint', fingerprint, 'room', room, 'made_at', made_at)
  redis.call('PEXPIRE', request_key, request_ms)
end
local stored = redis.call('HMGET', request_key, 'fingerprint', 'room', 'made_at', 'sid')
return {stored[1], stored[2], stored[3], stored[4] or ''}
