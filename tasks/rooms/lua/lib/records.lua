-- The records that are kept of a call: one for each attempt that was claimed, and one for the call when its room is over.
--
-- KEYS  none of its own; uses the action's calls_key
-- ARGV  none of its own; uses the action's calls_length
-- Returns nothing; defines `write_attempt_record`, `write_call_record`.

--- @include "lib/clock"
--- @include "lib/metrics"

-- `number`: the caller's telephone number. `handed_over`: '1' if the attempt before has handed the call over.
-- `first_heard`: when one before was heard first.
local OF_ATTEMPT = {name = true, tenant = true, tier = true, attempt = true, worker = true, version = true,
  handed_over = true, first_heard = true, number = true}
local OF_CALL = {name = true, tenant = true, tier = true, attempt = true, worker = true, ended_by = true,
  public_reason = true, number = true}

local function add(record, field, value)
  table.insert(record, field)
  table.insert(record, value)
end

local function append(record)
  redis.call('XADD', calls_key, 'MAXLEN', '~', calls_length, '*', unpack(record))
end

-- Write the record of the attempt that has the room, while the room's hash still has it: before its next attempt, and
-- before the room is over. `ending`: 'ended', 'lost', 'handed_over' or 'dead'. `cause`: a LossCause if it is lost, or
-- ''. `uncounted`: how many attempts up to this one are no failures. Returns the usage of the attempt, JSON.
local function write_attempt_record(sid, room_key, ending, cause, reason, uncounted)
  local lost = ending == 'lost' or ending == 'handed_over'
  local record = {'kind', 'attempt', 'sid', sid, 'ending', ending, 'cause', cause, 'reason', reason,
    'uncounted', uncounted}
  local room = redis.call('HGETALL', room_key)
  local usage, turns = '[]', '{}'
  for i = 1, #room, 2 do
    local field, value = room[i], room[i + 1]
    if field == 'usage' then
      usage = value
    elseif field == 'turns' then
      turns = value
    elseif field == 'opened' then
      add(record, 'at:opened', value)
    elseif field == 'at:lost' then
      -- Of the attempt before.
      add(record, 'at:lost_before', value)
    elseif OF_ATTEMPT[field] or string.sub(field, 1, 3) == 'at:' then
      add(record, field, value)
    end
  end
  add(record, 'usage', usage)
  add(record, 'turns', turns)
  add(record, lost and 'at:lost' or 'at:ended', now_ms)
  append(record)
  return usage
end

-- Write the record of a room that is over, from its hash as it is then. `state`: its own, or 'refused'. `usage`: JSON.
local function write_call_record(sid, room_key, state, outcome, usage)
  local record = {'kind', 'call', 'sid', sid, 'state', state, 'outcome', outcome, 'usage', usage}
  local room = redis.call('HGETALL', room_key)
  local attempts = 0
  for i = 1, #room, 2 do
    local field, value = room[i], room[i + 1]
    if field == 'opened' or field == 'first_claimed' then
      add(record, 'at:' .. field, value)
    elseif field == 'claims' then
      attempts = value
    elseif OF_CALL[field] or string.sub(field, 1, 3) == 'at:' then
      add(record, field, value)
    end
  end
  add(record, 'attempts', attempts)
  append(record)
end
