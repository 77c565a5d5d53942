-- A request for a call has come: keep what it will make, unless it has come before.
--
-- KEYS  1 request hash
-- ARGV  1 fingerprint   2 name of the room to make   3 now, unix s   4 time to live, ms
-- Returns what is kept: fingerprint, name, unix s, and the room's sid or '' while it is not open.

if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'room', ARGV[2], 'made_at', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
local kept = redis.call('HMGET', KEYS[1], 'fingerprint', 'room', 'made_at', 'sid')
return {kept[1], kept[2], kept[3], kept[4] or ''}
