"""Requeue of a lost call: a message for the next attempt goes to the front of the room's queue, or a dead letter."""

from __future__ import annotations

import logging

from tasks.queue.message import call_message
from tasks.rooms import AttemptMetrics, LossCause, RequeueResult, Room, RoomStore
from tasks.rooms.call_records import NO_METRICS

logger = logging.getLogger("switchboard.tasks.queue")


async def requeue_call(  # noqa: PLR0913 - what is lost, why, and what is known of it
    room: Room,
    rooms: RoomStore,
    max_attempts: int,
    *,
    reason: str,
    cause: LossCause = LossCause.FAILED,
    unable: bool = False,
    elsewhere: bool = False,
    alive: bool = False,
    metrics: AttemptMetrics = NO_METRICS,
) -> RequeueResult:
    """Queue the room again, whose attempt `room.attempt` has lost its call.

    `reason`: one line for the dead letter, in case the attempts are used up. `unable`: the worker of this attempt could
    not answer it a second time either. `elsewhere`: another worker should take it if one can, also if this one has not
    failed. `alive`: the process of this attempt writes the attempt's span itself.
    `metrics`: of the attempt, for its record; without them it has those of its last renewal.
    """
    result = await rooms.requeue(
        room.sid,
        room.attempt,
        queue=room.queue,
        message=call_message(
            sid=room.sid,
            attempt=room.attempt + 1,
            name=room.name,
            tenant=room.tenant,
            tier=room.tier,
            queue=room.queue,
            avoid="" if cause is LossCause.HANDED_OVER and not elsewhere else room.worker,
            unable=room.worker if unable else "",
            trace=room.trace,
            lost_claim_ms=None if alive else room.steps_ms.get("claimed"),
        ),
        reason=reason,
        max_attempts=max_attempts,
        cause=cause,
        claimant=room.claimant,
        metrics=metrics,
    )
    if result is not RequeueResult.STALE:
        level = logging.ERROR if result is RequeueResult.DEAD else logging.WARNING
        fields = {"sid": room.sid, "tenant": room.tenant, "attempt": room.attempt, "result": result, "reason": reason}
        logger.log(level, "call lost", extra=fields)
    return result
