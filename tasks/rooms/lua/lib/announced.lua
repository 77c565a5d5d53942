-- How a room stands that is announced, or that somebody has joined: one rule for opening it, for waiting for its tenant,
-- and for its dead letter.
--
-- KEYS  none
-- ARGV  none
-- Returns nothing; defines `read_announced`.

--- @include "lib/read_room"

-- `ended_before_ms`: when the caller who was announced has joined, unix ms, or ''. Returns a table:
--   state, attempts    as they are; 0 attempts if there were none
--   refused            its tenant had too many waiting rooms
--   unopened           it is dead because no tenant was found for it
--   unanswered         it is unknown; or it is over because its callers have left it or were refused, and one has come
--                      back
--   uninformed         a limit or an operator has ended it, and somebody has joined since
local function read_announced(room_key, ended_before_ms)
  local state, attempts, ended_ms, ended_by, refused, unopened =
    read_room(room_key, 'state', 'attempt', 'at:ended', 'ended_by', 'refused', 'unopened')
  local joined_later = ended_before_ms ~= '' and (tonumber(ended_ms or '') or 0) < tonumber(ended_before_ms)
  local left = state == 'ended' and ended_by == 'callers' or state == 'dead' and refused
  return {
    state = state,
    attempts = tonumber(attempts or '') or 0,
    refused = state == 'dead' and refused,
    unopened = state == 'dead' and unopened,
    unanswered = not state or left and joined_later,
    uninformed = joined_later and (ended_by == 'limit' or ended_by == 'operator'),
  }
end
