-- Find the tenant that has a telephone number.
--
-- KEYS  1 numbers (hash: number -> tenant)   2 tenants (hash: tenant -> JSON)
-- ARGV  1 number
-- Returns the tenant's id and its JSON, or an empty list if no tenant has the number.

local tenant = redis.call('HGET', KEYS[1], ARGV[1])
local content = tenant and redis.call('HGET', KEYS[2], tenant)
if not content then
  return {}
end
return {tenant, content}
