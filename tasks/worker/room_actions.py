"""Actions on rooms from the worker's main process, which has no event loop of asyncio.

Each runs in a loop and over a connection of its own, both closed before the next fork: no child inherits any of it.
While Redis is away an action is logged and left out, because the reconciler does the same later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from tasks.call.ending import Lost
from tasks.call.result import Result, TaskEnd
from tasks.queue.requeue import requeue_call
from tasks.redis_client import connect, within_deadline
from tasks.rooms import RequeueResult, Room, RoomStore, State
from tasks.settings import Settings

T = TypeVar("T")

DELAY_MS = 1000
"""The time after which a call that this worker cannot answer is offered again, while the others are full."""

logger = logging.getLogger("switchboard.tasks.worker")


def requeue_lost_call(sid: str, attempt: int, *, node: str, pid: int, reason: str, settings: Settings) -> Result:
    """Queue the room again whose call the child `pid` of the worker `node` had, which has died. Return the result.

    The child of a duplicate message has no call: another child, or another worker, has it. And one that died after it
    had written the end of its call has none any more.
    """
    lost = Result("lost", TaskEnd.RETRIED, f"lost: {reason}")

    async def requeue(rooms: RoomStore) -> Result:
        room = await rooms.get(sid)
        if room is not None and room.handed_over and _is_waited_for(room, attempt + 1):
            return Result("handed over", TaskEnd.SUCCEEDED, f"handed over, and then killed: {reason}")
        if room is None or (room.attempt, room.worker, room.pid) != (attempt, node, pid):
            return lost
        if room.state is State.DEAD:
            return Result("dead", TaskEnd.FAILED, f"dead: {room.reason}")
        if room.state is State.ENDED:
            return Result("ended", TaskEnd.SUCCEEDED, f"ended by {room.ended_by}: {room.reason}")
        result = await requeue_call(room, rooms, settings.lease.max_attempts, reason=reason)
        return lost if result is RequeueResult.STALE else Lost(reason).result_of(result)

    try:
        return _run(requeue, settings)
    except (RedisError, OSError) as error:
        fields = {"sid": sid, "attempt": attempt, "error": type(error).__name__}
        logger.warning("lost call not requeued; its lease will expire", extra=fields)
        return lost


def _is_waited_for(room: Room, attempt: int) -> bool:
    """Tell whether the room waits for this attempt, or is at it."""
    return room.attempt + (1 if room.state in {State.QUEUED, State.WAITING} else 0) == attempt


def return_message(sid: str, attempt: int, *, settings: Settings) -> bool:
    """Return a room's message to the front of its queue, unless the room no longer waits for it.

    Returns False if Redis is away: then the message is still this worker's.
    """
    fields = {"sid": sid, "attempt": attempt}
    try:
        returned = _run(lambda rooms: rooms.return_message(sid, attempt), settings)
    except (RedisError, OSError) as error:
        logger.warning("message not returned", extra=fields | {"error": type(error).__name__})
        return False
    logger.info("message returned" if returned else "message dropped; its room does not wait for it", extra=fields)
    return True


def prove_write(settings: Settings) -> None:
    """Return when Redis has taken a write, over a connection to where its name leads now.

    Raises RedisUnavailable within the deadline.
    """
    _run(lambda rooms: within_deadline(rooms.prove_write(), settings.redis.deadline_seconds), settings)


def delay_room(sid: str, attempt: int, *, settings: Settings) -> bool:
    """Put the room's message back into its queue after a moment. Returns False if Redis is away."""
    fields = {"sid": sid, "attempt": attempt}
    try:
        delayed = _run(lambda rooms: rooms.delay(sid, attempt, DELAY_MS), settings)
    except (RedisError, OSError) as error:
        logger.warning("room not delayed", extra=fields | {"error": type(error).__name__})
        return False
    logger.info("room waits for another worker" if delayed else "message dropped; no room waits for it", extra=fields)
    return True


def _run(action: Callable[[RoomStore], Awaitable[T]], settings: Settings) -> T:
    async def run() -> T:
        redis = connect(settings.redis)
        try:
            return await action(RoomStore(redis, lease_ms=settings.lease.ttl_ms))
        finally:
            await redis.aclose()

    return asyncio.run(run())
