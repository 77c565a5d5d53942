-- Save the conversation so far, for an attempt that may have to go on with it.
--
-- KEYS  room_key (hash), conversation_key (string)
-- ARGV  attempt
--       claimant              '' for any
--       conversation          encrypted
--       conversation_ms       TTL
-- Returns 1, or 0 if the attempt is stale.

local room_key, conversation_key = unpack(KEYS)
local attempt, claimant, conversation, conversation_ms = unpack(ARGV)

--- @include "lib/fencing"

if not holds(room_key, attempt, claimant) then
  return 0
end
redis.call('SET', conversation_key, conversation, 'PX', conversation_ms)
return 1
