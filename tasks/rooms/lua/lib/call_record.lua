-- The record of a call that is over. No action of its own: `scripts.py` puts it in front of those that end a call.
--
-- KEYS  1 room hash, of the action
-- ARGV  1 sid, of the action
-- Returns nothing. The action finds here `record_call`.

local RECORDED = {name = true, tenant = true, tier = true, attempt = true, worker = true}

local function record_call(stream, outcome, usage, kept)
  local record = {'sid', ARGV[1], 'outcome', outcome, 'usage', usage}
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    if RECORDED[fields[i]] or string.sub(fields[i], 1, 3) == 'at:' then
      table.insert(record, fields[i])
      table.insert(record, fields[i + 1])
    end
  end
  redis.call('XADD', stream, 'MAXLEN', '~', kept, '*', unpack(record))
end
