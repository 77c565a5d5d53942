-- The record of a call that has ended.
--
-- KEYS  none of its own; uses the action's calls_key
-- ARGV  none of its own; uses the action's stream_length
-- Returns nothing; defines `write_call_record`.

local RECORDED = {name = true, tenant = true, tier = true, attempt = true, worker = true}

-- With the times of all steps, from the room's hash as it is now.
local function write_call_record(sid, room_key, outcome, usage)
  local record = {'sid', sid, 'outcome', outcome, 'usage', usage}
  local fields = redis.call('HGETALL', room_key)
  for i = 1, #fields, 2 do
    if RECORDED[fields[i]] or string.sub(fields[i], 1, 3) == 'at:' then
      table.insert(record, fields[i])
      table.insert(record, fields[i + 1])
    end
  end
  redis.call('XADD', calls_key, 'MAXLEN', '~', stream_length, '*', unpack(record))
end
