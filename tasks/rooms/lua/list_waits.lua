-- List a part of the rooms that no worker has claimed, with their positions.
--
-- KEYS  those of lib/admission
-- ARGV  after                 where to go on, or '' for the beginning
--       most                  check so many at most
--       waited_ms             only rooms that have waited so long
--       then that of lib/admission
-- Returns {where to go on, or '' at the end, {sid, name, tenant, tier, state, position, ms waited, calls of the tenant
-- that run}, …}. A position is among the tenant's own rooms, from 1.

local after, most, waited_ms = unpack(ARGV)

--- @include "lib/admission"

local members = redis.call('ZRANGEBYLEX', unanswered_key, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, most)
local waits = {#members < tonumber(most) and '' or members[#members]}
for _, member in ipairs(members) do
  local tier, arrived, sid = string.match(member, '^([^%z]*)%z(%d+)%z(.*)$')
  local state, known_arrived, name, tenant
  if sid then
    state, known_arrived, name, tenant = read_room(room_prefix .. sid, 'state', 'arrived', 'name', 'tenant')
  end
  if not (name and tenant) or known_arrived ~= arrived or (state ~= 'waiting' and state ~= 'queued') then
    redis.call('ZREM', unanswered_key, member)
  else
    local waited = now_ms - math.floor(arrived / 1000)
    if waited >= tonumber(waited_ms) then
      local unclaimed = 'unclaimed:' .. tenant
      local last = '\0' .. arrived .. '\0' .. sid
      local position
      if state == 'queued' then
        position = redis.call('ZLEXCOUNT', permits_key, '[' .. unclaimed .. '\0', '[' .. unclaimed .. last)
      else
        position = count(permits_key, unclaimed)
          + redis.call('ZLEXCOUNT', waitlist_key, '[' .. tenant .. '\0', '[' .. tenant .. last)
      end
      local running = count(permits_key, 'tenant:' .. tenant) - count(permits_key, unclaimed)
      table.insert(waits, {sid, name, tenant, tier, state, position, waited, running})
    end
  end
end
return waits
