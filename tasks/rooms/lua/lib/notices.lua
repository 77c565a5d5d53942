-- The events of calls from which notices to tenants' backends are made (tasks.background.notices).
--
-- A room of a tenant that has declared notices has the field `notices`. The others cost nothing.
--
-- KEYS  none of its own; uses the action's notice_events_key
-- ARGV  none of its own; uses the action's notice_events_length
-- Returns nothing; defines `append_event`, `append_room_event`.

-- `event`: fields and values.
local function append_event(event)
  redis.call('XADD', notice_events_key, 'MAXLEN', '~', notice_events_length, '*', unpack(event))
end

-- `kind`: 'started', 'waiting' or 'recovered'.
local function append_room_event(kind, sid, name, tenant, tier, attempt)
  append_event({'kind', kind, 'sid', sid, 'name', name, 'tenant', tenant, 'tier', tier, 'attempt', attempt})
end
