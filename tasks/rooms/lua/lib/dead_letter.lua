-- The dead letter of a room that could not be answered.
--
-- KEYS  none of its own; uses the action's dead_key
-- ARGV  none of its own; uses the action's dead_length
-- Returns nothing; defines `write_dead_letter`.

-- An attempt of '0' stands for a room for which no tenant was found. What is not known of the room may be false.
-- `kind`: 'tenant' (none was found), 'wait' (too long), 'attempts' (used up) or 'unanswerable' (by no attempt).
local function write_dead_letter(sid, name, tenant, tier, attempt, kind, reason)
  redis.call('XADD', dead_key, 'MAXLEN', '~', dead_length, '*', 'sid', sid, 'name', name or '',
    'tenant', tenant or '', 'tier', tier or '', 'attempt', attempt or '0', 'kind', kind, 'reason', reason)
end
