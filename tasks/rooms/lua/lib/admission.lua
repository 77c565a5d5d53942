-- Admission: which rooms may enter their queue, and which wait for a permit.
--
-- KEYS  queued_key (zset), permits_key (zset), waitlist_key (zset), eligible_key (zset), admission_key (hash),
--       unanswered_key (zset); the last of the script's
-- ARGV  room_prefix; the last of the script's
-- Returns nothing; defines `acquire`, `set_limit`, `delete_limit_if_idle`, `make_eligible`, `serve`, `admit`,
-- `mark_claimed`, `release`.
--
-- A room in a queue or with a call holds permits: one of its tenant, one of its tier, and until it is claimed one of
-- its tenant's unclaimed rooms. Permits are members of a set and are counted there, so that to acquire one twice is
-- harmless. A room that may not have one waits on the waitlist of its tenant. A tenant whose first waiting room is kept
-- back by the tier's limit alone is eligible, and the eligible tenants of a tier are served in turn, one room each.
--
-- These sorted sets are indexes in the order of their members; all scores are 0:
--   permits     tenant:<tenant> \0 <sid>     tier:<tier> \0 <sid>     unclaimed:<tenant> \0 <arrived> \0 <sid>
--   waitlist    <tenant> \0 <arrived> \0 <sid>
--   eligible    <tier> \0 <tenant>
--   unanswered  <tier> \0 <arrived> \0 <sid>
-- Fields of admission: the limits of tenant:<tenant>, of tier:<tier>, and of every tenant's `unclaimed`, where there is
-- one; and last:<tier>, the tenant that was served last.

--- @include "lib/clock"
--- @include "lib/read_room"

local queued_key, permits_key, waitlist_key, eligible_key, admission_key, unanswered_key = unpack(KEYS, #KEYS - 5)
local room_prefix = unpack(ARGV, #ARGV)
-- The next event, or the reconciler's next tick, goes on from there.
local MOST_AT_ONCE = 100

local function count(key, group)
  return redis.call('ZLEXCOUNT', key, '[' .. group .. '\0', '(' .. group .. '\1')
end

local function first_member(key, group, after)
  return redis.call('ZRANGEBYLEX', key, '(' .. group .. '\0' .. (after or ''), '(' .. group .. '\1', 'LIMIT', 0, 1)[1]
end

-- No limit if `most` is ''.
local function set_limit(name, most)
  if most == '' then
    redis.call('HDEL', admission_key, name)
  else
    redis.call('HSET', admission_key, name, most)
  end
end

local function is_full(group, limit)
  local most = tonumber(redis.call('HGET', admission_key, limit or group) or '')
  return most and count(permits_key, group) >= most
end

-- Returns the members of `permits` for a room: of its tenant, of its tier, and of the tenant's unclaimed rooms.
local function permits(sid, tenant, tier, arrived)
  return 'tenant:' .. tenant .. '\0' .. sid, 'tier:' .. tier .. '\0' .. sid,
    'unclaimed:' .. tenant .. '\0' .. arrived .. '\0' .. sid
end

-- Acquire the permits of a room that enters its queue.
local function acquire(sid, tenant, tier, arrived)
  local of_tenant, of_tier, unclaimed = permits(sid, tenant, tier, arrived)
  redis.call('ZADD', permits_key, 0, of_tenant, 0, of_tier, 0, unclaimed)
  redis.call('ZADD', unanswered_key, 0, tier .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZADD', queued_key, now_ms, sid)
end

-- Returns the first waiting room of a tenant as {member of the waitlist, sid, tier, queue, message, arrived}, or nil.
-- A member that no waiting room has is removed; the repair adds the room as it is.
local function first_waiting(tenant)
  while true do
    local member = first_member(waitlist_key, tenant)
    if not member then
      return nil
    end
    local sid = string.sub(member, #tenant + 19)
    local state, tier, queue, message, arrived =
      read_room(room_prefix .. sid, 'state', 'tier', 'queue', 'message', 'arrived')
    local known = tier and queue and message and arrived
    if state == 'waiting' and known and member == tenant .. '\0' .. arrived .. '\0' .. sid then
      return {member, sid, tier, queue, message, arrived}
    end
    redis.call('ZREM', waitlist_key, member)
  end
end

-- Make a tenant eligible, unless it has no waiting room or its own limits keep it back: then it is not, of this tier.
-- Returns the tier of its first waiting room, or nil.
local function make_eligible(tenant, tier)
  local room = first_waiting(tenant)
  if room and not is_full('tenant:' .. tenant) and not is_full('unclaimed:' .. tenant, 'unclaimed') then
    redis.call('ZADD', eligible_key, 0, room[3] .. '\0' .. tenant)
    return room[3]
  end
  tier = tier or (room and room[3])
  if tier then
    redis.call('ZREM', eligible_key, tier .. '\0' .. tenant)
  end
end

-- Take the tenant whose turn it is from the eligible ones. Returns it, or nil.
local function next_tenant(tier)
  local last = redis.call('HGET', admission_key, 'last:' .. tier)
  local member = first_member(eligible_key, tier, last or '') or first_member(eligible_key, tier)
  if member then
    redis.call('ZREM', eligible_key, member)
    return string.sub(member, #tier + 2)
  end
end

-- Let waiting rooms of a tier enter their queues, as long as the tier has permits and a tenant is eligible.
local function serve(tier)
  for _ = 1, MOST_AT_ONCE do
    if is_full('tier:' .. tier) then
      return
    end
    local tenant = next_tenant(tier)
    if not tenant then
      return
    end
    -- Its rooms and limits may have changed since it became eligible.
    if make_eligible(tenant) == tier then
      local room = first_waiting(tenant)
      local member, sid, queue, message, arrived = room[1], room[2], room[4], room[5], room[6]
      redis.call('ZREM', waitlist_key, member)
      redis.call('HSET', room_prefix .. sid, 'state', 'queued', 'at:queued', now_ms)
      acquire(sid, tenant, tier, arrived)
      -- If the queue is no list, the message is one that was lost.
      try('LPUSH', queue, message)
      redis.call('HSET', admission_key, 'last:' .. tier, tenant)
      make_eligible(tenant, tier)
    end
  end
end

-- So that `admission` does not grow with every tenant that ever had a call.
local function delete_limit_if_idle(tenant)
  if count(permits_key, 'tenant:' .. tenant) == 0 and not first_member(waitlist_key, tenant) then
    redis.call('HDEL', admission_key, 'tenant:' .. tenant)
  end
end

-- Let in the rooms that a change for a tenant, and for a tier unless it is nil, lets in.
local function admit(tenant, tier)
  local eligible_for = make_eligible(tenant, tier)
  if tier then
    serve(tier)
  end
  if eligible_for and eligible_for ~= tier then
    serve(eligible_for)
  end
end

-- The room is claimed: it keeps the permits of its tenant and its tier.
local function mark_claimed(sid, tenant, tier, arrived)
  local _, _, unclaimed = permits(sid, tenant, tier, arrived)
  redis.call('ZREM', permits_key, unclaimed)
  redis.call('ZREM', unanswered_key, tier .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZREM', queued_key, sid)
  admit(tenant)
end

-- Release the permits of a room that is over, take it from queue and waitlist, and let others in.
local function release(sid)
  local tenant, tier, arrived = read_room(room_prefix .. sid, 'tenant', 'tier', 'arrived')
  redis.call('ZREM', queued_key, sid)
  if not (tenant and tier and arrived) then
    return
  end
  redis.call('ZREM', unanswered_key, tier .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZREM', waitlist_key, tenant .. '\0' .. arrived .. '\0' .. sid)
  redis.call('ZREM', permits_key, permits(sid, tenant, tier, arrived))
  admit(tenant, tier)
  delete_limit_if_idle(tenant)
end
