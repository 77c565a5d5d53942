-- Set limits, and let in the waiting rooms that they allow.
--
-- KEYS  those of lib/admission
-- ARGV  pairs of a field of admission and its limit, '' for none; the tiers among them are served, in this order
--       then that of lib/admission
-- Returns how many rooms entered their queues.

--- @include "lib/admission"

local before = redis.call('ZCARD', waitlist_key)
for i = 1, #ARGV - 1, 2 do
  set_limit(ARGV[i], ARGV[i + 1])
end
local tiers = {}
for i = 1, #ARGV - 1, 2 do
  local kind, name = string.match(ARGV[i], '^(%a+):(.*)$')
  if kind == 'tenant' then
    make_eligible(name)
    delete_limit_if_idle(name)
  elseif kind == 'tier' then
    table.insert(tiers, name)
  end
end
-- When all tenants are eligible that can be, so that each has its turn.
for _, tier in ipairs(tiers) do
  serve(tier)
end
return before - redis.call('ZCARD', waitlist_key)
