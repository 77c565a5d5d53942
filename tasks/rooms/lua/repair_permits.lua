-- Repair a part of the permits and of the waitlist, where they do not agree with the rooms.
--
-- A permit whose room is over or forgotten goes to a room that waits, and an open room that lacks one gets it.
--
-- KEYS  rooms_key (zset), then those of lib/admission
-- ARGV  permits_cursor, rooms_cursor    where to go on; '0' is the beginning
--       most                            check about so many of each
--       then that of lib/admission
-- Returns {permits_cursor, rooms_cursor, how many permits were wrong}; a cursor of '0' says that all were checked.

local rooms_key = unpack(KEYS)
local permits_cursor, rooms_cursor, most = unpack(ARGV)

--- @include "lib/admission"

local repaired = 0

local held = redis.call('ZSCAN', permits_key, permits_cursor, 'COUNT', most)
for i = 1, #held[2], 2 do
  local member = held[2][i]
  local sid = string.match(member, '[^%z]*$')
  local state, tenant, tier, arrived =
    unpack(redis.call('HMGET', room_prefix .. sid, 'state', 'tenant', 'tier', 'arrived'))
  local right = false
  if arrived and (state == 'queued' or state == 'running') then
    local of_tenant, of_tier, unclaimed = permits(sid, tenant, tier, arrived)
    right = member == of_tenant or member == of_tier or (state == 'queued' and member == unclaimed)
  end
  if not right then
    repaired = repaired + redis.call('ZREM', permits_key, member)
    local kind, name = string.match(member, '^(%a+):([^%z]*)')
    if kind == 'tier' then
      serve(name)
    else
      admit(name)
      delete_limit_if_idle(name)
    end
  end
end

local open = redis.call('ZSCAN', rooms_key, rooms_cursor, 'COUNT', most)
for i = 1, #open[2], 2 do
  local sid = open[2][i]
  local state, tenant, tier, arrived =
    unpack(redis.call('HMGET', room_prefix .. sid, 'state', 'tenant', 'tier', 'arrived'))
  if state == 'waiting' or state == 'queued' or state == 'running' then
    if not arrived then
      -- An older version has opened it.
      arrived = now_us
      redis.call('HSET', room_prefix .. sid, 'arrived', arrived)
    end
    local of_tenant, of_tier, unclaimed = permits(sid, tenant, tier, arrived)
    if state == 'waiting' then
      repaired = repaired + redis.call('ZADD', waitlist_key, 0, tenant .. '\0' .. arrived .. '\0' .. sid)
    else
      repaired = repaired + redis.call('ZADD', permits_key, 0, of_tenant, 0, of_tier)
    end
    if state == 'queued' then
      repaired = repaired + redis.call('ZADD', permits_key, 0, unclaimed)
    end
    if state ~= 'running' then
      redis.call('ZADD', unanswered_key, 0, tier .. '\0' .. arrived .. '\0' .. sid)
    end
  end
end
return {held[1], open[1], repaired}
