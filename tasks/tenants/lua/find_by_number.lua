-- Find the tenant that has a telephone number.
--
-- KEYS  numbers_key (hash), tenants_key (hash)
-- ARGV  number
-- Returns {the tenant's id, its JSON}, or {} if no tenant has the number.

local numbers_key, tenants_key = unpack(KEYS)
local number = unpack(ARGV)

local tenant = redis.call('HGET', numbers_key, number)
local content = tenant and redis.call('HGET', tenants_key, tenant)
if not content then
  return {}
end
return {tenant, content}
