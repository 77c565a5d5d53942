"""Requests of operators and backends about a call that is open: end it, or hand it over."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from tasks.rooms import keys
from tasks.rooms.scripts import Script
from tasks.rooms.states import EndRequestResult, PublicReason

if TYPE_CHECKING:
    from redis.asyncio import Redis

BY_OPERATOR = "ended by an operator"
BY_BACKEND = "ended by a backend"
"""Outcomes of calls that were ended on request."""


class CallOperations:
    """Requests about open calls in one Redis. The client must decode responses.

    Every method raises `redis.RedisError` or `OSError` when Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self._request_end = Script(redis, "request_end")
        self._request_move = Script(redis, "request_move")

    async def end(
        self, sid: str, *, outcome: str = BY_OPERATOR, tenants: Collection[str] | None = None
    ) -> EndRequestResult:
        """Request that a call ends. `tenants`: only if it is one of theirs; None for any.

        Its callers are notified and its room is deleted, by the reconciler.
        """
        result = await self._request_end(
            room_key=keys.room(sid),
            conversation_key=keys.conversation(sid),
            sid=sid,
            tenants="" if tenants is None else json.dumps(sorted(tenants)),
            outcome=outcome,
            public_reason=PublicReason.ENDED,
            over_ms=keys.OVER_ROOM_MS,
        )
        return EndRequestResult(result)

    async def move(self, sid: str, attempt: int) -> bool:
        """Request that an attempt hands its call over, between two turns.

        Returns False if it has not the call, or if the call is about to end.
        """
        return bool(await self._request_move(room_key=keys.room(sid), attempt=attempt))
