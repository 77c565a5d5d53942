-- Where are those whom nobody has answered yet? Looks at a part of them.
--
-- KEYS  those of admission.lua
-- ARGV  1 where to go on, or ''   2 look at so many at most   3 only those who have waited for so many ms
--       4 prefix of the rooms' hashes
-- Returns {where to go on, or '' at the end, {sid, name, tenant, tier, state, position, waited, ms, calls of the tenant
-- that run}, …}. Positions are among the tenant's own rooms, from 1.

local members = redis.call('ZRANGEBYLEX', UNANSWERED, ARGV[1] == '' and '-' or '(' .. ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local found = {#members < tonumber(ARGV[2]) and '' or members[#members]}
for _, member in ipairs(members) do
  local tier, arrived, sid = string.match(member, '^([^%z]*)%z(%d+)%z(.*)$')
  local room = redis.call('HMGET', ROOM .. sid, 'state', 'arrived', 'name', 'tenant')
  local state, tenant = room[1], room[4]
  if room[2] ~= arrived or (state ~= 'waiting' and state ~= 'queued') then
    redis.call('ZREM', UNANSWERED, member)
  else
    local waited = now - math.floor(arrived / 1000)
    if waited >= tonumber(ARGV[3]) then
      local unclaimed = 'unclaimed:' .. tenant
      local position
      if state == 'queued' then
        position = redis.call('ZLEXCOUNT', PLACES, '[' .. unclaimed .. '\0', '[' .. unclaimed .. '\0' .. arrived .. '\0' .. sid)
      else
        position = size(PLACES, unclaimed)
          + redis.call('ZLEXCOUNT', LINE, '[' .. tenant .. '\0', '[' .. tenant .. '\0' .. arrived .. '\0' .. sid)
      end
      local running = size(PLACES, 'tenant:' .. tenant) - size(PLACES, unclaimed)
      table.insert(found, {sid, room[3], tenant, tier, state, position, waited, running})
    end
  end
end
return found
