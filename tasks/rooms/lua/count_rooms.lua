-- Count the open rooms of each tier, and find the longest wait, without reading more than a part of the queued rooms.
--
-- Indexes say of a tier how many rooms are unanswered (waiting or queued) and how many have a permit (queued or running).
-- How many are queued is counted one by one, a part at a time: they are few, as a tenant has few unclaimed ones.
--
-- KEYS  none: among KEYS the names would have to be writable for the exporter's user of Redis
-- ARGV  unanswered_key (zset), permits_key (zset), queued_key (zset), room_prefix
--       tiers                 separated by commas
--       first                 the first queued room of this part, from 0
--       most                  queued rooms in a part
-- Returns {queued rooms in this part, {tier, unanswered, with a permit, ms of the longest wait}, …, {tier, queued in this
-- part}, …}: three numbers for each of the tiers, one for each tier of a queued room.

local unanswered_key, permits_key, queued_key, room_prefix, tiers, first, most = unpack(ARGV)

--- @include "lib/clock"
--- @include "lib/read_room"

-- A member of a room that is unanswered no more is removed by the reconciler within seconds.
local STALE_AT_MOST = 10

local function longest_wait_ms(tier)
  local members = redis.call('ZRANGEBYLEX', unanswered_key, '[' .. tier .. '\0', '(' .. tier .. '\1',
    'LIMIT', 0, STALE_AT_MOST)
  for _, member in ipairs(members) do
    local arrived, sid = string.match(member, '^[^%z]*%z(%d+)%z(.*)$')
    if arrived then
      local state, known_arrived = read_room(room_prefix .. sid, 'state', 'arrived')
      if (state == 'waiting' or state == 'queued') and known_arrived == arrived then
        return math.max(0, now_ms - math.floor(arrived / 1000))
      end
    end
  end
  return 0
end

local queued = {}
local part = redis.call('ZRANGE', queued_key, first, first + most - 1)
for _, sid in ipairs(part) do
  local tier = read_room(room_prefix .. sid, 'tier')
  if tier then
    queued[tier] = (queued[tier] or 0) + 1
  end
end

local counts = {#part}
for tier in string.gmatch(tiers, '[^,]+') do
  local unanswered = redis.call('ZLEXCOUNT', unanswered_key, '[' .. tier .. '\0', '(' .. tier .. '\1')
  local group = 'tier:' .. tier
  local permits = redis.call('ZLEXCOUNT', permits_key, '[' .. group .. '\0', '(' .. group .. '\1')
  table.insert(counts, {tier, unanswered, permits, longest_wait_ms(tier)})
end
for tier, number in pairs(queued) do
  table.insert(counts, {tier, number})
end
return counts
