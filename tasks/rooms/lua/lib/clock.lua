-- Redis' own clock, the only one that decides about rooms.
--
-- KEYS  none
-- ARGV  none
-- Returns nothing; defines `now_ms` (unix ms) and `now_us` (unix µs in 16 digits, so that it sorts as text).

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local now_us = time[1] .. string.format('%06d', time[2])
