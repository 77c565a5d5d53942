"""The room of a probe as Redis has it: whether it is over, and why nobody answers.

A probe needs no Redis. Without one it knows what a caller knows, and not why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import Redis

from tasks.errors import RedisUnavailable
from tasks.redis_client import within_deadline
from tasks.rooms import Room, RoomStore, State

T = TypeVar("T")

POLL_SECONDS = 0.2
OVER = frozenset({State.ENDED, State.CANCELLED, State.DEAD})
STEPS = ("published", "joined", "connecting", "claimed")


class RoomWatch:
    """The watch over the room with this sid."""

    def __init__(self, redis: Redis, sid: str, *, deadline_seconds: float) -> None:
        self._rooms = RoomStore(redis)
        self._sid = sid
        self._deadline_seconds = deadline_seconds

    async def wait_until_over(self) -> Room:
        """Return the room when its call is over. Raises RedisUnavailable."""
        while True:
            room = await self._ask(self._rooms.get(self._sid))
            if room is not None and room.state in OVER:
                return room
            await asyncio.sleep(POLL_SECONDS)

    async def explain(self) -> str:
        """Return why nobody answers, as far as Redis knows."""
        try:
            room = await self._ask(self._rooms.get(self._sid))
            return await self._explain(room)
        except RedisUnavailable:
            return "Redis does not answer here, so it is not known why"

    async def _explain(self, room: Room | None) -> str:
        if room is None:
            return "no receiver has opened its room: run switchboard doctor, which checks that webhooks arrive"
        if room.state is State.WAITING:
            return "its room waits for a permit: the tenant or its tier is at its limit, see switchboard ps"
        if room.state is State.QUEUED:
            return await self._explain_queued(room)
        if room.state is State.RUNNING:
            step = next((step for step in STEPS if step in room.steps_ms), "claimed")
            return f"{room.worker} answers it, attempt {room.attempt}, and has come as far as {step}: see its log"
        return f"its room is {room.state}: {room.reason}"

    async def _explain_queued(self, room: Room) -> str:
        workers = await self._ask(self._rooms.list_workers())
        takers = [worker for worker in workers if room.queue in worker.queues]
        if not takers:
            return f"no worker takes the queue {room.queue}: start one with -Q {room.queue}"
        states = ", ".join(f"{worker.node} ({worker.state}, {worker.idle} idle)" for worker in takers)
        return f"no worker has taken it from the queue {room.queue}: {states}"

    async def _ask(self, request: Awaitable[T]) -> T:
        return await within_deadline(request, self._deadline_seconds)
