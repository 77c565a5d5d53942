-- Repair a part of the permits and of the waitlist, where they do not agree with the rooms.
--
-- A permit whose room is over or forgotten goes to a room that waits, and an open room that lacks one gets it. A room
-- whose hash lacks what it needs to be answered is forgotten: the next look at the LiveKit server's list opens it anew.
--
-- KEYS  rooms_key (zset), leases_key (zset), then those of lib/admission
-- ARGV  permits_cursor, rooms_cursor    where to go on; '0' is the beginning
--       most                            check about so many of each
--       then that of lib/admission
-- Returns {permits_cursor, rooms_cursor, how many permits were wrong, the sids of rooms that were forgotten}; a cursor
-- of '0' says that all were checked.

local rooms_key, leases_key = unpack(KEYS)
local permits_cursor, rooms_cursor, most = unpack(ARGV)

--- @include "lib/admission"
--- @include "lib/message"

-- So long a running room without a lease may be renewed, before its call counts as lost.
local LEASE_MS = 10000

local repaired = 0
local forgotten = {}

local function forget(sid)
  remove_message(room_prefix .. sid)
  redis.call('DEL', room_prefix .. sid)
  redis.call('ZREM', rooms_key, sid)
  redis.call('ZREM', queued_key, sid)
  redis.call('ZREM', leases_key, sid)
  table.insert(forgotten, sid)
end

local held = redis.call('ZSCAN', permits_key, permits_cursor, 'COUNT', most)
for i = 1, #held[2], 2 do
  local member = held[2][i]
  local sid = string.match(member, '[^%z]*$')
  local state, tenant, tier, arrived = read_room(room_prefix .. sid, 'state', 'tenant', 'tier', 'arrived')
  local right = false
  if tenant and tier and arrived and (state == 'queued' or state == 'running') then
    local of_tenant, of_tier, unclaimed = permits(sid, tenant, tier, arrived)
    right = member == of_tenant or member == of_tier or (state == 'queued' and member == unclaimed)
  end
  if not right then
    repaired = repaired + redis.call('ZREM', permits_key, member)
    local kind, name = string.match(member, '^(%a+):([^%z]*)')
    if kind == 'tier' then
      serve(name)
    elseif kind then
      admit(name)
      delete_limit_if_idle(name)
    end
  end
end

local open = redis.call('ZSCAN', rooms_key, rooms_cursor, 'COUNT', most)
for i = 1, #open[2], 2 do
  local sid = open[2][i]
  local state, attempt, tenant, tier, queue, message, arrived =
    read_room(room_prefix .. sid, 'state', 'attempt', 'tenant', 'tier', 'queue', 'message', 'arrived')
  if is_over(state) then
    redis.call('ZREM', rooms_key, sid)
  elseif
    not (is_open(state) and tonumber(attempt or '') and tenant and tier and queue)
    or (state ~= 'running' and not message)
  then
    forget(sid)
  else
    if not string.match(arrived or '', '^%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d$') then
      arrived = now_us
      redis.call('HSET', room_prefix .. sid, 'arrived', arrived)
    end
    redis.call('HSET', room_prefix .. sid, 'sid', sid)
    local of_tenant, of_tier, unclaimed = permits(sid, tenant, tier, arrived)
    if state == 'waiting' then
      repaired = repaired + redis.call('ZADD', waitlist_key, 0, tenant .. '\0' .. arrived .. '\0' .. sid)
    else
      repaired = repaired + redis.call('ZADD', permits_key, 0, of_tenant, 0, of_tier)
    end
    if state == 'queued' then
      repaired = repaired + redis.call('ZADD', permits_key, 0, unclaimed)
      redis.call('ZADD', queued_key, 'NX', now_ms, sid)
    end
    if state == 'running' then
      redis.call('ZADD', leases_key, 'NX', now_ms + LEASE_MS, sid)
    else
      redis.call('ZADD', unanswered_key, 0, tier .. '\0' .. arrived .. '\0' .. sid)
    end
  end
end
return {held[1], open[1], repaired, forgotten}
