"""The ways in which an attempt at answering a room can end: what is written for each, and what comes next.

    ended by                               ending           written                 then
    nobody came; the last caller left;     Ended, callers   `ended`, call record    a caller who comes back is answered
      the room finished on the server
    the agent, on purpose: shut down,      Ended, agent     `ended`, call record    the room belongs to those in it
      rejected, session closed
    a limit: the maximum length            Ended, limit     `ended`, call record    callers read why; room deleted
    a fault that an attempt may mend       Lost             `queued`, at last       the next attempt; after the last
                                                            `dead`, dead letter     one an operator
    a fault of host, LiveKit or Redis      Lost, uncounted  `queued`                the next attempt
    drain, memory limit, an operator       Lost, uncounted  `queued`, conversation  the next attempt, in a fresh child
    a fault of this worker alone           Lost, unable     `queued`, or `dead`     the next attempt on another worker;
                                                            without another one     an operator
    a fault that no attempt can mend       Unanswerable     `dead`, dead letter     callers as for a limit; an operator
    child killed, host lost                none             nothing                 the next attempt, when the worker or
                                                                                    the reconciler notices

Each write carries the attempt and its claimant: where another attempt has the room, it changes nothing. Whatever the
ending, the attempt leaves a record; that of a child that was killed has the metrics of its last renewal.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from pipeline.errors import PipelineError
from pipeline.outcome import CallOutcome
from tasks.call.failure import CallFailed
from tasks.call.redaction import redacted
from tasks.call.result import Result, TaskEnd
from tasks.errors import SwitchboardError
from tasks.queue.requeue import requeue_call
from tasks.rooms import EndedBy, LossCause, RequeueResult

if TYPE_CHECKING:
    from tasks.rooms import AttemptMetrics, Room, RoomStore

logger = logging.getLogger("switchboard.tasks.call")

REASON_CHARACTERS = 500
"""The longest reason that is kept of an error, which may hold whatever a provider has answered."""
OUTLIVED = "lost: another attempt has the room, or its lease has expired"


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a call that nobody has to go on with.

    `room_made`: as of `CallOutcome`. LiveKit has announced it, and nobody has to answer it.
    """

    reason: str
    ended_by: EndedBy
    room_made: str = ""

    async def write(self, room: Room, rooms: RoomStore, max_attempts: int, metrics: AttemptMetrics) -> Result:
        """Write it, and return the result. Raises what Redis raises."""
        del max_attempts
        written = await rooms.end(
            room.sid,
            room.attempt,
            outcome=self.reason,
            ended_by=self.ended_by,
            metrics=metrics,
            claimant=room.claimant,
        )
        if self.room_made:
            # A caller may have joined it since it was looked at, and then has to be found again.
            closed = await rooms.close(self.room_made, missing=True)
            logger.info("closed the room that joining has made", extra={"sid": self.room_made, "result": closed})
        if not written:
            return Result(self.reason, TaskEnd.RETRIED, OUTLIVED)
        # As it is in the record: an operator may have asked for it, and the attempt knows only that it had to leave.
        return Result(self.reason, TaskEnd.SUCCEEDED, f"ended by {written.ended_by}: {written.outcome}")


@dataclass(frozen=True, slots=True)
class Lost:
    """The loss of a call that the next attempt goes on with, if one is left.

    `of_host`: the host or the LiveKit server has failed, whatever the agent. `unable`: this worker could not answer the
    room a second time either, another one perhaps; where there is no other one, nobody can. `elsewhere`: another worker
    should go on with it, if one can. `stuck`: the attempt's
    process is ended at once, and cannot write its span.
    """

    reason: str
    cause: LossCause = LossCause.FAILED
    of_host: bool = False
    unable: bool = False
    elsewhere: bool = False
    stuck: bool = False

    async def write(self, room: Room, rooms: RoomStore, max_attempts: int, metrics: AttemptMetrics) -> Result:
        """Write it, and return the result. Raises what Redis raises."""
        if self.unable and not await _has_another_worker(room, rooms):
            fields = {"sid": room.sid, "tenant": room.tenant, "attempt": room.attempt, "reason": self.reason}
            logger.error("call cannot be answered here, and there is no other worker", extra=fields)
            return await Unanswerable(self.reason).write(room, rooms, max_attempts, metrics)
        result = await requeue_call(
            room,
            rooms,
            max_attempts,
            reason=self.reason,
            cause=self.cause,
            unable=self.unable,
            elsewhere=self.elsewhere,
            alive=not self.stuck,
            metrics=metrics,
        )
        return self.result_of(result)

    def result_of(self, written: RequeueResult) -> Result:
        """Return the result for what was written."""
        handed_over = self.cause is LossCause.HANDED_OVER
        words = f"{'handed over' if handed_over else 'lost'}: {written}"
        if written is RequeueResult.STALE:
            return Result(words, TaskEnd.RETRIED, OUTLIVED)
        if written is RequeueResult.DEAD:
            return Result(words, TaskEnd.FAILED, f"dead, attempts used up: {self.reason}")
        if written is RequeueResult.CLOSED:
            return Result(words, TaskEnd.FAILED, f"failed as its room finished: {self.reason}")
        if handed_over:
            return Result(words, TaskEnd.SUCCEEDED, f"handed over: {self.reason}")
        return Result(words, TaskEnd.RETRIED, f"lost: {self.reason}")


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """A room that no attempt can answer, before somebody has mended what the reason says."""

    reason: str

    async def write(self, room: Room, rooms: RoomStore, max_attempts: int, metrics: AttemptMetrics) -> Result:
        """Write it, and return the result. Raises what Redis raises."""
        del max_attempts
        await rooms.dead_letter(
            room.sid,
            attempt=room.attempt,
            reason=self.reason,
            claimant=room.claimant,
            metrics=metrics,
        )
        return Result(f"dead: {self.reason}", TaskEnd.FAILED)


Ending = Ended | Lost | Unanswerable


def ending_of(end: CallOutcome | Exception) -> Ending:
    """Return the ending for a call's outcome, or for the error with which it has failed."""
    if isinstance(end, CallOutcome):
        return Ended(_line(end.reason), EndedBy(end.ended_by), end.room_made)
    reason = _line(str(end)) or type(end).__name__
    if isinstance(end, (RedisError, OSError)):
        return Lost(f"{type(end).__name__}: {reason}", LossCause.NOT_ITS_FAULT)
    if isinstance(end, (PipelineError, SwitchboardError)):
        if not (end.retryable or end.of_worker):
            return Unanswerable(reason)
        cause = LossCause.FAILED if end.counted else LossCause.NOT_ITS_FAULT
        return Lost(reason, cause, of_host=getattr(end, "of_host", False), unable=end.of_worker)
    # A bug of ours must not leave the caller in silence.
    return Lost(reason)


def _line(text: str) -> str:
    # Redacted first: a key that is cut in the middle would not be found.
    return " ".join(redacted(text).split())[:REASON_CHARACTERS]


def failure_of(ending: Ending) -> CallFailed | None:
    """Return the failure for an ending, which the worker's circuit breaker counts; None if the call has not failed."""
    if isinstance(ending, Unanswerable):
        return CallFailed(ending.reason, of_host=False)
    if isinstance(ending, Lost) and ending.cause is not LossCause.HANDED_OVER:
        return CallFailed(ending.reason, of_host=ending.of_host)
    return None


async def _has_another_worker(room: Room, rooms: RoomStore) -> bool:
    workers = await rooms.list_workers()
    return any(room.queue in worker.queues and worker.node != room.worker for worker in workers)
