-- Which tenants have rooms in line?
--
-- KEYS  1 line (zset)
-- ARGV  1 after this tenant, or ''   2 at most so many
-- Returns the tenants, in the order of their names.

local found = {}
local from = ARGV[1] == '' and '-' or '(' .. ARGV[1] .. '\1'
while #found < tonumber(ARGV[2]) do
  local member = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, 1)[1]
  if not member then
    break
  end
  local tenant = string.match(member, '^[^%z]*')
  table.insert(found, tenant)
  from = '(' .. tenant .. '\1'
end
return found
