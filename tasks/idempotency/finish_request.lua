-- The room of a request is open: whoever asks again is told of it, and nothing more is made.
--
-- KEYS  1 request hash
-- ARGV  1 name of the room   2 its sid
-- Returns the sid that is kept, which is another one if another try has been first, or '' if the request was forgotten.

if redis.call('HGET', KEYS[1], 'room') ~= ARGV[1] then
  return ''
end
redis.call('HSETNX', KEYS[1], 'sid', ARGV[2])
return redis.call('HGET', KEYS[1], 'sid')
