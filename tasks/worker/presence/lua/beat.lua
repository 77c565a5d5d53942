-- Write a worker's heartbeat, unless another process has its name.
--
-- KEYS  worker_key (hash)
-- ARGV  process               the one that writes
--       predecessor           one that has ended, whose name it may take, or ''
--       expire_ms
--       installation_key      read only: among KEYS it would have to be writable for the worker's user of Redis
--       then pairs: a field of the heartbeat, its value
-- Returns the process that has the name ('' if it is the one that writes), and the digest of the receivers' settings, or
-- '' if there is none.

local worker_key = unpack(KEYS)
local process, predecessor, expire_ms, installation_key = unpack(ARGV)

local digest = redis.call('HGET', installation_key, 'digest') or ''
local holder = redis.call('HGET', worker_key, 'process')
if holder and holder ~= process and holder ~= predecessor then
  return {holder, digest}
end
redis.call('HSET', worker_key, 'process', process, unpack(ARGV, 5))
redis.call('PEXPIRE', worker_key, expire_ms)
return {'', digest}
