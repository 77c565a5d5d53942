"""The watchdog of a call: a thread of the child that keeps the lease, and ends the process when the call gets stuck.

It is outside the call's event loop, so that the lease says that host and process live, and how long that loop may stand
still is a question of its own: an agent that blocks it for 8 s makes a pause, and keeps its call. What it watches:

    prewarming    from the claim: the tenant, its keys, the import and the prewarm of its agent
    requesting    the agent's request hook
    connecting    from the begin of the entrypoint until the agent is in the room
    running       no limit here; `pipeline.presence` has one
    ending        the session's end, and the agent's shutdown callbacks
    uploading     the upload of what was recorded; the attempt's ending is written before, so that nobody waits for it
    writing       no limit: how the attempt has ended is written again and again while Redis is away
    the event loop, in all of these but the first, in which it may be busy for as long as that takes

When one of them takes too long, the stack of the main thread goes to the log, the attempt's ending to Redis, and the
process ends. Code that holds the interpreter's lock stops this thread, too: then the lease expires, and faulthandler,
which needs no lock, writes all stacks to stderr and ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pipeline.phase import Phase
from tasks.call import stacks
from tasks.call.ending import Ended, Lost, ending_of
from tasks.call.lease import Lease
from tasks.redis_client import connect
from tasks.rooms import AttemptMetrics, RenewResult, RoomStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from pipeline.outcome import CallOutcome
    from tasks.call.ending import Ending
    from tasks.call.result import Result
    from tasks.rooms import Room
    from tasks.settings import Settings

LOOK_SECONDS = 1.0
PAUSED_SECONDS = 2.0
"""A look that comes later than this: the process was stopped, or the host was asleep, and not the call."""
LEAVE_SECONDS = 5.0
"""The time in which a call has to leave its room once its lease is lost."""
WRITE_SECONDS = 2.0
"""The time for writing that a stuck call is lost. Others notice it, too, so its process need not wait for Redis."""
FLUSH_SECONDS = 10.0
"""The time after an upload in which livekit-agents sends the last spans: it takes 5 s at most."""
UNLOCK_SECONDS = 5.0
"""The time, besides the limit for the event loop, after which faulthandler acts."""

logger = logging.getLogger("switchboard.tasks.call")


@dataclass(frozen=True, slots=True)
class _Stage:
    """The phase that the call is in, "prewarming" before its first one, and since when, by `time.monotonic()`."""

    name: str
    since: float


class Watchdog:
    """The watchdog of one attempt. Made on the call's event loop; every method is called there.

    `lost` is set when another attempt may have the room, `closing` when the room has finished on the LiveKit server or
    somebody has asked to end the call, `moving` when an operator has asked to hand it over.

    `exit_process`: ends the process at once. `on_late_renewal`: called in the watchdog's thread when a renewal of the
    lease was late.
    """

    def __init__(
        self,
        settings: Settings,
        exit_process: Callable[[int], object] = os._exit,
        *,
        on_late_renewal: Callable[[], None] = lambda: None,
    ) -> None:
        self.lost = asyncio.Event()
        self.closing = asyncio.Event()
        self.moving = asyncio.Event()
        self._settings = settings
        self._exit_process = exit_process
        self._on_late_renewal = on_late_renewal
        self._hang_seconds = settings.call.hang_seconds
        self._limits: Mapping[str, float] = {
            "prewarming": settings.call.prewarm_seconds,
            Phase.REQUESTING: settings.call.request_seconds,
            Phase.CONNECTING: settings.call.connect_seconds,
            Phase.ENDING: settings.call.shutdown_seconds,
            Phase.UPLOADING: settings.recordings.upload_seconds + FLUSH_SECONDS,
        }
        self._call_loop = asyncio.get_running_loop()
        self._call_thread = threading.get_ident()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._stopping = asyncio.Event()
        self._room: Room | None = None
        self._claimed_at = 0.0
        self._stage = _Stage("prewarming", time.monotonic())
        self._turned_at = time.monotonic()
        self._lost_at: float | None = None
        self._over: Ending | None = None
        self._lease: Lease | None = None
        self._written: asyncio.Task[Result] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        await asyncio.to_thread(self._thread.join)

    def guard(self, room: Room, *, claimed_at: float) -> None:
        """Keep the room's lease from now on. `claimed_at`: the time of the claim, by `time.monotonic()`."""
        self._room, self._claimed_at = room, claimed_at
        self._stage = _Stage("prewarming", claimed_at)
        self._loop.call_soon_threadsafe(self._begin, room)

    def enter(self, phase: Phase) -> None:
        """Note that the call has entered a phase."""
        now = time.monotonic()
        # The event loop did not turn while the agent was imported.
        self._turned_at = now
        self._stage = _Stage(phase, now)
        if phase is Phase.UPLOADING and self._over is not None:
            asyncio.run_coroutine_threadsafe(self._end(self._over), self._loop)

    def over(self, end: CallOutcome | Exception) -> None:
        """Note how the call has ended, for the case that it gets stuck after that.

        One that has failed is queued again now: its caller does not wait for the agent's shutdown callbacks.
        """
        self._over = ending = ending_of(end)
        if isinstance(ending, Lost):
            asyncio.run_coroutine_threadsafe(self._end(ending), self._loop)

    def record_step(self, name: str) -> None:
        """Record that the call has reached a step now."""
        ms = round((time.monotonic() - self._claimed_at) * 1000)
        self._tell(lambda lease: lease.record_step(name, ms))

    def save_conversation(self, conversation: str) -> None:
        """Save the conversation so far, in place of the one before."""
        self._tell(lambda lease: lease.save_conversation(conversation))

    def save_metrics(self, usage: str, turns: str) -> None:
        """Save the usage and the turns so far, JSON, in place of those before."""
        self._tell(lambda lease: lease.save_metrics(AttemptMetrics(usage, turns)))

    async def end(self, ending: Ending) -> Result:
        """Write how the attempt has ended, and return the result. Only the first ending is written.

        It takes as long as Redis is away. The call has no deadline meanwhile: it is over, or about to leave.
        """
        self._stage = _Stage("writing", time.monotonic())
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._end(ending), self._loop))

    def _tell(self, news: Callable[[Lease], None]) -> None:
        """Hand news to the lease, in the thread. Without a claimed room there is none to write them for."""

        def hand_on() -> None:
            if self._lease is not None:
                news(self._lease)

        self._loop.call_soon_threadsafe(hand_on)

    # All below runs in the thread.

    def _run(self) -> None:
        try:
            redis = connect(self._settings.redis)
            # Before the loop runs: on a busy host the room may be claimed first, and its callback is then the first.
            self._rooms = RoomStore(redis, lease_ms=self._settings.lease.ttl_ms)
            self._loop.set_exception_handler(self._on_error)
            self._loop.run_until_complete(self._serve(redis))
        except Exception:
            # Without it nobody would notice a call that is stuck.
            logger.exception("the watchdog has failed")
            self._exit_process(os.EX_SOFTWARE)
        finally:
            self._loop.close()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the process if a callback has failed. asyncio logs it and goes on, and the call would have no lease."""
        if "handle" not in context:
            loop.default_exception_handler(context)
            return
        logger.error("the watchdog has failed", exc_info=context.get("exception"))
        self._exit_process(os.EX_SOFTWARE)

    async def _serve(self, redis: Redis) -> None:
        looking = asyncio.create_task(self._look())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()
        finally:
            faulthandler.cancel_dump_traceback_later()
            if self._lease is not None:
                self._lease.stop()
            for task in (looking, stopping):
                task.cancel()
            waiting = [looking, stopping, *([self._renewing] if self._renewing else ())]
            await asyncio.gather(*waiting, return_exceptions=True)
            await redis.aclose()

    def _begin(self, room: Room) -> None:
        self._lease = Lease(self._rooms, room, self._settings, self._on_result, on_late=self._on_late_renewal)
        self._renewing = self._loop.create_task(self._lease.renew())
        # If it has failed, the callback does, too.
        self._renewing.add_done_callback(asyncio.Task.result)

    def _on_result(self, result: RenewResult) -> None:
        if result is RenewResult.LOST:
            self._lost_at = time.monotonic()
        events = {RenewResult.LOST: self.lost, RenewResult.CLOSING: self.closing, RenewResult.MOVING: self.moving}
        self._call_loop.call_soon_threadsafe(events[result].set)

    async def _end(self, ending: Ending) -> Result:
        if self._lease is None:
            raise RuntimeError("no room is guarded")
        if self._written is None:
            self._written = asyncio.create_task(self._lease.write(ending))
        return await asyncio.shield(self._written)

    async def _look(self) -> None:
        looked_at = time.monotonic()
        while True:
            faulthandler.dump_traceback_later(self._hang_seconds + UNLOCK_SECONDS, exit=True)
            with contextlib.suppress(RuntimeError):
                self._call_loop.call_soon_threadsafe(self._note_turn)
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            if (late := now - looked_at - LOOK_SECONDS) > PAUSED_SECONDS:
                self._forgive(late)
            elif self._room is not None and (problem := self._problem(now)):
                await self._give_up(self._room, problem)
            looked_at = now

    def _note_turn(self) -> None:
        self._turned_at = time.monotonic()

    def _forgive(self, seconds: float) -> None:
        self._turned_at += seconds
        self._stage = _Stage(self._stage.name, self._stage.since + seconds)
        if self._lost_at is not None:
            self._lost_at = time.monotonic()

    def _problem(self, now: float) -> str | None:
        """Return in a few words what has taken too long."""
        stage = self._stage
        limit = self._limits.get(stage.name)
        if limit is not None and now - stage.since > limit:
            return f"{stage.name} took more than {limit:g} s"
        if stage.name != "prewarming" and now - self._turned_at > self._hang_seconds:
            return f"its event loop stood still for {self._hang_seconds:g} s"
        if self._lost_at is not None and now - self._lost_at > LEAVE_SECONDS:
            return f"it did not leave its room within {LEAVE_SECONDS:g} s"
        return None

    async def _give_up(self, room: Room, problem: str) -> None:
        """Log what the call is stuck in, write its ending, and end the process."""
        stuck = stacks.take(self._call_thread, self._call_loop)
        ending = self._over or Lost(f"{problem}, in {stuck.where}", stuck=True)
        logger.error(
            "the call is stuck; ending its process",
            extra={
                "sid": room.sid,
                "attempt": room.attempt,
                "problem": problem,
                "where": stuck.where,
                "stacks": stuck.text,
            },
        )
        # A call that is over must not be answered again by those who notice that its process has ended.
        limit = None if isinstance(ending, Ended) else WRITE_SECONDS
        try:
            async with asyncio.timeout(limit):
                await self._end(ending)
        except TimeoutError:
            logger.warning("the end of a stuck call is not written", extra={"sid": room.sid})
        finally:
            self._exit_process(os.EX_SOFTWARE)
