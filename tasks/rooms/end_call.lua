-- The call is over: the room becomes ended, and a record of the call goes onto the stream.
--
-- KEYS  1 room hash   2 open rooms (zset)   3 leases (zset)   4 call records (stream)   5 conversation
-- ARGV  1 sid   2 attempt   3 outcome   4 usage, JSON   5 time to live, ms   6 records to keep
-- Returns 1, or 0 if the attempt is stale.

local room = redis.call('HMGET', KEYS[1], 'state', 'attempt')
if room[1] ~= 'running' or room[2] ~= ARGV[2] then
  return 0
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'ended', 'reason', ARGV[3], 'at:ended', now)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[5])

local record = {'sid', ARGV[1], 'outcome', ARGV[3], 'usage', ARGV[4]}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local name = fields[i]
  if name == 'name' or name == 'tenant' or name == 'tier' or name == 'attempt' or name == 'worker'
    or string.sub(name, 1, 3) == 'at:' then
    table.insert(record, name)
    table.insert(record, fields[i + 1])
  end
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', unpack(record))
return 1
