-- Who may enter a queue, and who waits in line. No action of its own: `scripts.py` puts it in front of each action that
-- gives a room a place, takes one back, or may let others in.
--
-- KEYS  the last six: queued rooms (zset), places (zset), line (zset), ready tenants (zset), admission (hash),
--       unanswered rooms (zset)
-- ARGV  the last: prefix of the rooms' hashes
-- Returns nothing. The action finds here `now` (unix ms), `arriving` (unix µs, 16 digits) and the functions below.
--
-- A room in a queue or with a call has places: one of its tenant's, one of its tier's, and until it is claimed one of its
-- tenant's unclaimed ones. Places are counted and never added up, so that to take one twice is harmless. A room that finds
-- none waits in the line of its tenant. A tenant whose first in line waits for the tier alone is ready, and the ready
-- tenants of a tier are served in turn, one room each.
--
-- These sorted sets are indexes in the order of their members; all scores are 0:
--   places      tenant:<tenant> \0 <sid>     tier:<tier> \0 <sid>     unclaimed:<tenant> \0 <arrived> \0 <sid>
--   line        <tenant> \0 <arrived> \0 <sid>
--   ready       <tier> \0 <tenant>
--   unanswered  <tier> \0 <arrived> \0 <sid>
-- Fields of admission: the most places of tenant:<tenant>, of tier:<tier>, and of anybody's `unclaimed`, where there is a
-- limit; and last:<tier>, the tenant that was served last.

local QUEUED, PLACES, LINE, READY, ADMISSION, UNANSWERED = unpack(KEYS, #KEYS - 5)
local ROOM = ARGV[#ARGV]
-- More are let in by the next event, or by the reconciler's tick.
local MOST_AT_ONCE = 100

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local arriving = time[1] .. string.format('%06d', time[2])

local function size(key, group)
  return redis.call('ZLEXCOUNT', key, '[' .. group .. '\0', '(' .. group .. '\1')
end

local function first(key, group, after)
  return redis.call('ZRANGEBYLEX', key, '(' .. group .. '\0' .. (after or ''), '(' .. group .. '\1', 'LIMIT', 0, 1)[1]
end

local function limit(name, most)
  if most == '' then
    redis.call('HDEL', ADMISSION, name)
  else
    redis.call('HSET', ADMISSION, name, most)
  end
end

local function full(group, name)
  local most = redis.call('HGET', ADMISSION, name or group)
  return most and size(PLACES, group) >= tonumber(most)
end

local function places(sid, tenant, tier, arrived)
  return 'tenant:' .. tenant .. '\0' .. sid, 'tier:' .. tier .. '\0' .. sid,
    'unclaimed:' .. tenant .. '\0' .. arrived .. '\0' .. sid
end

-- In a queue, from now on.
local function take_places(sid, tenant, tier, arrived)
  local of_tenant, of_tier, unclaimed = places(sid, tenant, tier, arrived)
  redis.call('ZADD', PLACES, 0, of_tenant, 0, of_tier, 0, unclaimed)
  redis.call('ZADD', UNANSWERED, 0, tier .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZADD', QUEUED, now, sid)
end

-- The room that has waited longest of a tenant's: {member of the line, sid, tier, queue, message, arrived}, or nil.
local function head(tenant)
  while true do
    local member = first(LINE, tenant)
    if not member then
      return nil
    end
    local sid = string.sub(member, #tenant + 19)
    local room = redis.call('HMGET', ROOM .. sid, 'state', 'tier', 'queue', 'message', 'arrived')
    if room[1] == 'waiting' then
      return {member, sid, room[2], room[3], room[4], room[5]}
    end
    redis.call('ZREM', LINE, member)
  end
end

-- Whoever is first of a tenant is ready, unless the tenant's own limits keep it. Returns the tier that it is ready for.
local function make_ready(tenant)
  local room = head(tenant)
  if room and not full('tenant:' .. tenant) and not full('unclaimed:' .. tenant, 'unclaimed') then
    redis.call('ZADD', READY, 0, room[3] .. '\0' .. tenant)
    return room[3]
  end
end

-- The tenant whose turn it is, not ready any more, or nil.
local function next_tenant(tier)
  local last = redis.call('HGET', ADMISSION, 'last:' .. tier)
  local member = first(READY, tier, last or '') or first(READY, tier)
  if member then
    redis.call('ZREM', READY, member)
    return string.sub(member, #tier + 2)
  end
end

local function serve(tier)
  for _ = 1, MOST_AT_ONCE do
    if full('tier:' .. tier) then
      return
    end
    local tenant = next_tenant(tier)
    if not tenant then
      return
    end
    -- Much may have happened since it was made ready.
    if make_ready(tenant) == tier then
      local room = head(tenant)
      local member, sid, queue, message, arrived = room[1], room[2], room[4], room[5], room[6]
      redis.call('ZREM', LINE, member)
      redis.call('HSET', ROOM .. sid, 'state', 'queued', 'at:queued', now)
      take_places(sid, tenant, tier, arrived)
      redis.call('LPUSH', queue, message)
      redis.call('HSET', ADMISSION, 'last:' .. tier, tenant)
      redis.call('ZREM', READY, tier .. '\0' .. tenant)
      make_ready(tenant)
    end
  end
end

-- What is remembered of a tenant with no call and nobody in line is nothing.
local function forget_if_idle(tenant)
  if size(PLACES, 'tenant:' .. tenant) == 0 and not first(LINE, tenant) then
    redis.call('HDEL', ADMISSION, 'tenant:' .. tenant)
  end
end

-- Something has changed for a tenant, and perhaps for a tier: let in whom that lets in.
local function admit(tenant, tier)
  local ready_for = make_ready(tenant)
  if tier then
    serve(tier)
  end
  if ready_for and ready_for ~= tier then
    serve(ready_for)
  end
end

-- A worker has the room now.
local function answer(sid, tenant, tier, arrived)
  local _, _, unclaimed = places(sid, tenant, tier, arrived)
  redis.call('ZREM', PLACES, unclaimed)
  redis.call('ZREM', UNANSWERED, tier .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZREM', QUEUED, sid)
  admit(tenant)
end

-- The room is over: whatever it has, of a queue, a line or places, it has no more, and others may have.
local function leave(sid)
  local room = redis.call('HMGET', ROOM .. sid, 'tenant', 'tier', 'arrived')
  local tenant, tier, arrived = room[1], room[2], room[3]
  if not arrived then
    return
  end
  redis.call('ZREM', QUEUED, sid)
  redis.call('ZREM', UNANSWERED, tier .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZREM', LINE, tenant .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZREM', PLACES, places(sid, tenant, tier, arrived))
  admit(tenant, tier)
  forget_if_idle(tenant)
end
