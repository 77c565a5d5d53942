-- The limits as they are now; whoever waits and may enter, enters.
--
-- KEYS  those of admission.lua
-- ARGV  pairs: a field of admission, the most or '' for no limit; the tiers that are named are served, in this order
--       then prefix of the rooms' hashes
-- Returns how many rooms entered.

local before = redis.call('ZCARD', LINE)
for i = 1, #ARGV - 1, 2 do
  limit(ARGV[i], ARGV[i + 1])
end
local tiers = {}
for i = 1, #ARGV - 1, 2 do
  local kind, name = string.match(ARGV[i], '^(%a+):(.*)$')
  if kind == 'tenant' then
    make_ready(name)
    forget_if_idle(name)
  elseif kind == 'tier' then
    table.insert(tiers, name)
  end
end
-- Only now, so that each tenant has its turn.
for _, tier in ipairs(tiers) do
  serve(tier)
end
return before - redis.call('ZCARD', LINE)
