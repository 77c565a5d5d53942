-- The LiveKit server says that somebody is in these rooms: what is known of each? One that is over is remembered for
-- another while. Forgotten, it would look like a room that was never announced, and whoever is still in it be called back.
--
-- KEYS  1… room hashes
-- ARGV  1 time to live of a room that is over, ms
-- Returns {{state, reason, ended, unix ms}, …} in the order of the keys, each with '' where nothing is known.

local found = {}
for i, key in ipairs(KEYS) do
  local room = redis.call('HMGET', key, 'state', 'reason', 'at:ended')
  if room[1] and room[1] ~= 'waiting' and room[1] ~= 'queued' and room[1] ~= 'running' then
    redis.call('PEXPIRE', key, ARGV[1])
  end
  found[i] = {room[1] or '', room[2] or '', room[3] or ''}
end
return found
