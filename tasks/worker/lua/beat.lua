-- Write a worker's heartbeat, unless another process has its name.
--
-- KEYS  worker_key (hash), installation_key (hash)
-- ARGV  process, predecessor, expire_ms   the process that writes; one that has ended, whose name it may take, or ''
--       then pairs: a field of the heartbeat, its value
-- Returns the process that has the name ('' if it is the one that writes), and the digest of the receivers' settings, or
-- '' if there is none.

local worker_key, installation_key = unpack(KEYS)
local process, predecessor, expire_ms = unpack(ARGV)

local digest = redis.call('HGET', installation_key, 'digest') or ''
local holder = redis.call('HGET', worker_key, 'process')
if holder and holder ~= process and holder ~= predecessor then
  return {holder, digest}
end
redis.call('HSET', worker_key, 'process', process, unpack(ARGV, 4))
redis.call('PEXPIRE', worker_key, expire_ms)
return {'', digest}
