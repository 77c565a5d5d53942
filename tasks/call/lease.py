"""Keeping the lease of a running call, on the call's own event loop: a call that hangs loses it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.encryption import Seal
from tasks.rooms import Lease

if TYPE_CHECKING:
    from pipeline.call import Call
    from tasks.rooms import Room, RoomStore
    from tasks.settings import Settings

logger = logging.getLogger("switchboard.tasks.lease")


class LeaseKeeper:
    """Renews a call's lease, and ends the call when it is lost or the room has finished.

    With it goes to Redis what the next attempt would need: the conversation.

    While Redis is away the call goes on for `redis_outage_seconds`: its caller hears nothing of it. After that another
    worker may have it, so this one leaves.

    `claimed_at`: when the room was claimed, by `time.monotonic()`; the steps count from there.
    """

    def __init__(self, rooms: RoomStore, room: Room, settings: Settings, *, claimed_at: float) -> None:
        self._rooms = rooms
        self._room = room
        self._seal = Seal(settings)
        self._renew_seconds = settings.lease_renew_ms / 1000
        self._outage_seconds = settings.redis_outage_seconds
        self._steps: dict[str, int] = {}
        self._said: str | None = None
        self._claimed_at = claimed_at
        self._woken = asyncio.Event()
        self._over = False

    def step(self, name: str) -> None:
        """The call has reached a step, now."""
        self._steps[name] = round((time.monotonic() - self._claimed_at) * 1000)
        self._woken.set()

    def said(self, conversation: str) -> None:
        """The conversation so far; only the last one counts."""
        self._said = conversation
        self._woken.set()

    def stop(self) -> None:
        """The call is over: `keep` returns once Redis has answered what it was asked.

        It is not cancelled: redis-py waits with `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that
        comes together with the answer, and then `keep` would go on for ever.
        """
        self._over = True
        self._woken.set()

    async def keep(self, call: Call) -> None:
        """Renew until stopped, or until the call has to end."""
        answered = time.monotonic()
        while not self._over:
            try:
                lease = await self._renew()
                answered = time.monotonic()
            except (RedisError, OSError) as error:
                lease = Lease.KEPT if time.monotonic() - answered < self._outage_seconds else Lease.LOST
                logger.warning("lease not renewed", extra={"sid": self._room.sid, "error": type(error).__name__})
            if lease is Lease.LOST:
                logger.warning("lease lost; leaving the room", extra={"sid": self._room.sid})
                await call.leave("lease lost")
                return
            if lease is Lease.CLOSING:
                call.hang_up("room finished")
            await self._until_next()
        with contextlib.suppress(RedisError, OSError):
            await self.write()

    async def _renew(self) -> Lease:
        await self.write()
        return await self._rooms.renew(self._room.sid, self._room.attempt, claimant=self._room.claimant)

    async def write(self) -> None:
        """Write what is not in Redis yet. Raises RedisError or OSError; then it is written the next time."""
        if self._steps:
            steps, self._steps = self._steps, {}
            try:
                await self._rooms.stamp(self._room.sid, self._room.attempt, steps, claimant=self._room.claimant)
            except (RedisError, OSError):
                self._steps = steps | self._steps
                raise
        if (said := self._said) is not None:
            sealed = self._seal.close(self._room.sid, said)
            room = self._room
            await self._rooms.keep_conversation(room.sid, room.attempt, sealed, claimant=room.claimant)
            if self._said is said:
                self._said = None

    async def _until_next(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._renew_seconds):
                await self._woken.wait()
        self._woken.clear()
