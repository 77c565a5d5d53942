-- Save the counts of an exporter, unless another exporter has saved its own since they were compared.
--
-- KEYS  metrics_key (hash)
-- ARGV  then pairs: how many fields have to be unchanged; these, each with its value or ''; then the fields to write, each
--       with its value
-- Returns 1, or 0 if a field has changed; then nothing was written.

local metrics_key = unpack(KEYS)
-- There may be more than `unpack` could return at once.
local compared = tonumber((unpack(ARGV, 1, 1)))

for i = 2, compared * 2, 2 do
  local field, value = unpack(ARGV, i, i + 1)
  if (redis.call('HGET', metrics_key, field) or '') ~= value then
    return 0
  end
end
for i = compared * 2 + 2, #ARGV, 2 do
  redis.call('HSET', metrics_key, unpack(ARGV, i, i + 1))
end
return 1
