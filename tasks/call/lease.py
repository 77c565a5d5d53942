"""The lease of one attempt, and everything that it writes while it has it: steps, conversation, and its ending."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.call.ending import Ended
from tasks.encryption import Encryption
from tasks.redis_client import Outage
from tasks.rooms import AttemptMetrics, RenewResult

if TYPE_CHECKING:
    from tasks.call.ending import Ending
    from tasks.call.result import Result
    from tasks.rooms import Room, RoomStore
    from tasks.settings import Settings

RETRY_SECONDS = 0.5
LATE = 2
"""A renewal that comes after more than so many intervals is late. Soon after, the lease may have expired."""

logger = logging.getLogger("switchboard.tasks.call")


class Lease:
    """The lease of a claimed room. All of it runs on the event loop of the watchdog.

    `on_result` is called with CLOSING when the call has to end, with MOVING when it has to be handed over, and with
    LOST when another attempt may have the room. `on_late` is called when a renewal was late.

    While Redis is away the lease counts as kept for `outage_seconds`, in which the caller notices nothing. After that
    another worker may have the room, so the lease counts as lost.
    """

    def __init__(
        self,
        rooms: RoomStore,
        room: Room,
        settings: Settings,
        on_result: Callable[[RenewResult], None],
        *,
        on_late: Callable[[], None] = lambda: None,
    ) -> None:
        self._rooms = rooms
        self._room = room
        self._on_result = on_result
        self._on_late = on_late
        self._outage = Outage(settings.redis.server, logger, sid=room.sid)
        self._encryption = Encryption(settings)
        self._renew_seconds = settings.lease.renew_ms / 1000
        self._outage_seconds = settings.lease.outage_seconds
        self._max_attempts = settings.lease.max_attempts
        self._steps: dict[str, int] = {}
        self._conversation: str | None = None
        self._saving: asyncio.TimerHandle | None = None
        self._metrics = AttemptMetrics()
        self._kept = AttemptMetrics()
        self._wake = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._ending = asyncio.Event()

    def record_step(self, name: str, ms: int) -> None:
        """Record that the call reached a step so many ms after the claim."""
        self._steps[name] = ms
        self._wake.set()

    def save_conversation(self, conversation: str) -> None:
        """Save the conversation so far, in place of the one before, within half an interval.

        Most often a renewal comes meanwhile and takes it along. The ending of an attempt that is followed by another
        writes it at once; only a process that is killed takes the last half of an interval with it.
        """
        self._conversation = conversation
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(self._renew_seconds / 2, self._wake.set)

    def save_metrics(self, metrics: AttemptMetrics) -> None:
        """Save the metrics so far, in place of those before. They do not hurry: they go with the next renewal."""
        self._metrics = metrics

    async def renew(self) -> None:
        """Renew the lease until it is lost, or an ending is written."""
        last_answer = time.monotonic()
        # The claim has just begun the lease.
        wait = self._renew_seconds
        while await self._until_next(wait):
            wait = self._renew_seconds
            try:
                result = await self.renew_once()
                if time.monotonic() - last_answer > LATE * self._renew_seconds:
                    self._on_late()
                last_answer = time.monotonic()
                self._outage.answered()
            except (RedisError, OSError) as error:
                kept = time.monotonic() - last_answer < self._outage_seconds
                result = RenewResult.RENEWED if kept else RenewResult.LOST
                self._outage.failed(error)
                # It has used up its deadline already, and the lease is not renewed yet.
                wait = min(RETRY_SECONDS, wait)
            if self._ending.is_set():
                return
            if result is not RenewResult.RENEWED:
                self._on_result(result)
            if result is RenewResult.LOST:
                logger.warning("lease lost; leaving the room", extra={"sid": self._room.sid})
                return

    def stop(self) -> None:
        """Have `renew` return once Redis has answered its last request.

        It is not cancelled: redis-py waits with `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that
        comes together with the answer, and then `renew` would go on for ever.
        """
        self._ending.set()
        self._wake.set()

    async def write(self, ending: Ending) -> Result:
        """Write how the attempt has ended, again and again while Redis is away. Returns the result.

        A room whose ending is not written looks as if its call were lost, and is answered again.
        """
        self.stop()
        while True:
            try:
                # A renewal under way may be writing the last steps, on another connection: the ending waits for it.
                async with self._renewing:
                    if self._steps or (self._conversation is not None and not isinstance(ending, Ended)):
                        await self._renew()
                    result = await ending.write(self._room, self._rooms, self._max_attempts, self._metrics)
            except (RedisError, OSError) as error:
                self._outage.failed(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._outage.answered()
                return result

    async def renew_once(self) -> RenewResult:
        """Renew the lease, and write the steps, the conversation and the metrics that are not in Redis yet.

        Raises RedisError or OSError; what is new is then written with the next renewal.
        """
        async with self._renewing:
            return await self._renew()

    async def _renew(self) -> RenewResult:
        room = self._room
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        steps, self._steps = self._steps, {}
        saved, metrics = self._conversation, self._metrics
        encrypted = None if saved is None else self._encryption.encrypt(room.sid, saved)
        try:
            result = await self._rooms.renew(
                room.sid,
                room.attempt,
                claimant=room.claimant,
                steps=steps,
                conversation=encrypted,
                metrics=metrics.since(self._kept),
            )
        except (RedisError, OSError):
            self._steps = steps | self._steps
            raise
        self._kept = metrics
        if self._conversation is saved:
            self._conversation = None
        return result

    async def _until_next(self, seconds: float) -> bool:
        """Wait until the next renewal is due. Returns False where an ending takes its place."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()
        return not self._ending.is_set()
