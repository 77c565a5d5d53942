"""Lease renewal of a running call, on the call's own event loop: a call that hangs loses its lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.encryption import Encryption
from tasks.rooms import RenewResult

if TYPE_CHECKING:
    from tasks.rooms import Room, RoomStore
    from tasks.settings import Settings

logger = logging.getLogger("switchboard.tasks.call")


class LeaseRenewer:
    """Renewal of one attempt's lease, and the writing of its steps and conversation along with it.

    `lost` is set when another attempt may have the room, `closing` when the room has finished on the LiveKit server.

    While Redis is away the lease counts as kept for `outage_seconds`, in which the caller notices nothing. After that
    another worker may have the room, so the lease counts as lost.

    `claimed_at`: the time of the claim by `time.monotonic()`, from which the steps are counted.
    """

    def __init__(self, rooms: RoomStore, room: Room, settings: Settings, *, claimed_at: float) -> None:
        self.lost = asyncio.Event()
        self.closing = asyncio.Event()
        self._rooms = rooms
        self._room = room
        self._encryption = Encryption(settings)
        self._renew_seconds = settings.lease.renew_ms / 1000
        self._outage_seconds = settings.lease.outage_seconds
        self._claimed_at = claimed_at
        self._steps: dict[str, int] = {}
        self._conversation: str | None = None
        self._wake = asyncio.Event()
        self._stopped = False

    def record_step(self, name: str) -> None:
        """Record that the call has reached a step now."""
        self._steps[name] = round((time.monotonic() - self._claimed_at) * 1000)
        self._wake.set()

    def save_conversation(self, conversation: str) -> None:
        """Save the conversation so far, in place of the one before."""
        self._conversation = conversation
        self._wake.set()

    def stop(self) -> None:
        """Have `run` return once Redis has answered its last request.

        It is not cancelled: redis-py waits with `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that
        comes together with the answer, and then `run` would go on for ever.
        """
        self._stopped = True
        self._wake.set()

    async def run(self) -> None:
        """Renew the lease until it is stopped or lost."""
        last_answer = time.monotonic()
        while not self._stopped:
            try:
                result = await self._renew()
                last_answer = time.monotonic()
            except (RedisError, OSError) as error:
                kept = time.monotonic() - last_answer < self._outage_seconds
                result = RenewResult.RENEWED if kept else RenewResult.LOST
                logger.warning("lease not renewed", extra={"sid": self._room.sid, "error": type(error).__name__})
            if result is RenewResult.LOST:
                logger.warning("lease lost; leaving the room", extra={"sid": self._room.sid})
                self.lost.set()
                return
            if result is RenewResult.CLOSING:
                self.closing.set()
            await self._until_next()
        with contextlib.suppress(RedisError, OSError):
            await self.flush()

    async def flush(self) -> None:
        """Write the steps and the conversation that are not in Redis yet.

        Raises RedisError or OSError; they are then written with the next renewal.
        """
        room = self._room
        if self._steps:
            steps, self._steps = self._steps, {}
            try:
                await self._rooms.record_steps(room.sid, room.attempt, steps, claimant=room.claimant)
            except (RedisError, OSError):
                self._steps = steps | self._steps
                raise
        if (conversation := self._conversation) is not None:
            encrypted = self._encryption.encrypt(room.sid, conversation)
            await self._rooms.save_conversation(room.sid, room.attempt, encrypted, claimant=room.claimant)
            if self._conversation is conversation:
                self._conversation = None

    async def _renew(self) -> RenewResult:
        await self.flush()
        return await self._rooms.renew(self._room.sid, self._room.attempt, claimant=self._room.claimant)

    async def _until_next(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._renew_seconds):
                await self._wake.wait()
        self._wake.clear()
