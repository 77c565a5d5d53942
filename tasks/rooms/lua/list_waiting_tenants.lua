-- List the tenants that have rooms on the waitlist.
--
-- KEYS  waitlist_key (zset)
-- ARGV  after                 only tenants after this one, or ''
--       most                  at most so many
-- Returns the tenants, in the order of their names.

local waitlist_key = unpack(KEYS)
local after, most = unpack(ARGV)

local tenants = {}
local from = after == '' and '-' or '(' .. after .. '\1'
while #tenants < tonumber(most) do
  local member = redis.call('ZRANGEBYLEX', waitlist_key, from, '+', 'LIMIT', 0, 1)[1]
  if not member then
    break
  end
  local tenant = string.match(member, '^[^%z]*')
  table.insert(tenants, tenant)
  from = '(' .. tenant .. '\1'
end
return tenants
