"""The erasure of the notices of a call, which name its room and may hold its transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tasks.background.notices import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

PAGE = 500
"""Notices that are looked at at once."""


async def erase_notices(redis: Redis, tenant: str, sid: str) -> int:
    """Delete the notices of a call, also those that wait to be sent. Returns how many there were.

    A try that has begun ends, and its result is not kept. The client must decode responses. Raises `redis.RedisError`
    or `OSError` when Redis is away; it may then be repeated.
    """
    client = cast("Any", redis)
    ids = await client.zrange(keys.log(tenant), 0, -1)
    found: list[str] = []
    for begin in range(0, len(ids), PAGE):
        page = ids[begin : begin + PAGE]
        async with client.pipeline(transaction=False) as pipe:
            for notice_id in page:
                pipe.hget(keys.notice(notice_id), "sid")
            sids = await pipe.execute()
        found += [notice_id for notice_id, of in zip(page, sids, strict=True) if of == sid]
    async with client.pipeline(transaction=True) as pipe:
        pipe.delete(keys.queue(sid), keys.attempts(sid), *(keys.notice(notice_id) for notice_id in found))
        pipe.zrem(keys.calls(tenant), sid)
        pipe.zrem(keys.leases(tenant), sid)
        if found:
            pipe.zrem(keys.log(tenant), *found)
            pipe.zrem(keys.done(tenant), *found)
        await pipe.execute()
    return len(found)
