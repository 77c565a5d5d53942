-- Store the sid of a request's room, which is open now: requests with the same key get it, and make nothing any more.
--
-- KEYS  request_key (hash)
-- ARGV  room                  name of the room
--       sid
-- Returns the stored sid, which is another one if another try was first, or '' if the request is no longer stored.

local request_key = unpack(KEYS)
local room, sid = unpack(ARGV)

if redis.call('HGET', request_key, 'room') ~= room then
  return ''
end
redis.call('HSETNX', request_key, 'sid', sid)
return redis.call('HGET', request_key, 'sid')
