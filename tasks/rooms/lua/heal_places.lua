-- Do the places, and the line, say what the rooms say? Looks at a part of both, and mends what is wrong: the place of a room
-- that is over or forgotten goes to whoever waits, and a room that lacks one gets it.
--
-- KEYS  1 open rooms (zset)   then those of admission.lua
-- ARGV  1 where to go on among the places   2 among the open rooms   3 look at about so many of each
--       4 prefix of the rooms' hashes
-- Returns {where to go on among the places, among the open rooms, how many places were wrong}; '0' is the begin.

local wrong = 0

local held = redis.call('ZSCAN', PLACES, ARGV[1], 'COUNT', ARGV[3])
for i = 1, #held[2], 2 do
  local member = held[2][i]
  local sid = string.match(member, '[^%z]*$')
  local room = redis.call('HMGET', ROOM .. sid, 'state', 'tenant', 'tier', 'arrived')
  local right = false
  if room[4] and (room[1] == 'queued' or room[1] == 'running') then
    local of_tenant, of_tier, unclaimed = places(sid, room[2], room[3], room[4])
    right = member == of_tenant or member == of_tier or (room[1] == 'queued' and member == unclaimed)
  end
  if not right then
    wrong = wrong + redis.call('ZREM', PLACES, member)
    local kind, name = string.match(member, '^(%a+):([^%z]*)')
    if kind == 'tier' then
      serve(name)
    else
      admit(name)
      forget_if_idle(name)
    end
  end
end

local open = redis.call('ZSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
for i = 1, #open[2], 2 do
  local sid = open[2][i]
  local room = redis.call('HMGET', ROOM .. sid, 'state', 'tenant', 'tier', 'arrived')
  local state, tenant, tier, arrived = room[1], room[2], room[3], room[4]
  if state == 'waiting' or state == 'queued' or state == 'running' then
    if not arrived then
      -- It was opened by an older version.
      arrived = arriving
      redis.call('HSET', ROOM .. sid, 'arrived', arrived)
    end
    local of_tenant, of_tier, unclaimed = places(sid, tenant, tier, arrived)
    if state == 'waiting' then
      wrong = wrong + redis.call('ZADD', LINE, 0, tenant .. '\0' .. arrived .. '\0' .. sid)
    else
      wrong = wrong + redis.call('ZADD', PLACES, 0, of_tenant, 0, of_tier)
    end
    if state == 'queued' then
      wrong = wrong + redis.call('ZADD', PLACES, 0, unclaimed)
    end
    if state ~= 'running' then
      redis.call('ZADD', UNANSWERED, 0, tier .. '\0' .. arrived .. '\0' .. sid)
    end
  end
end
return {held[1], open[1], wrong}
