"""A worker that stops hands its calls over to another: between two turns, and with the conversation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from tasks.call.drain import DRAIN
from tasks.queue.requeue import lose_call
from tasks.rooms import Losing, Lost

if TYPE_CHECKING:
    from pipeline.call import Call
    from tasks.call.lease import LeaseKeeper
    from tasks.rooms import Room, RoomStore

HANDED_OVER = "handed over"
LOOK_SECONDS = 0.1
RETRY_SECONDS = 0.5
PATIENCE_SECONDS = 5.0
"""How long the end of a turn is waited for. The drain's bound (`HAND_OVER_SECONDS`) holds for this and for leaving."""

logger = logging.getLogger("switchboard.tasks.hand_over")


async def hand_over_after_drain(call: Call, room: Room, rooms: RoomStore, keeper: LeaseKeeper, attempts: int) -> None:
    """Run beside a call, until it is over. When the drain has ended, queue its room for another worker and leave."""
    await _until(lambda: DRAIN.hand_over)
    if not DRAIN.at_once:
        await _first(call.between_turns(PATIENCE_SECONDS), _until(lambda: DRAIN.at_once))
    keeper.said(call.said())
    lost: Lost | None = None
    while lost is None:
        try:
            await keeper.write()
            lost = await lose_call(room, rooms, attempts, reason="its worker stops", how=Losing.HANDED_OVER)
        except (RedisError, OSError) as error:
            logger.warning("not handed over", extra={"sid": room.sid, "error": type(error).__name__})
            await asyncio.sleep(RETRY_SECONDS)
    if lost is not Lost.STALE:
        await call.leave(HANDED_OVER)


async def _until(condition: Callable[[], bool]) -> None:
    # It is memory that another process writes: nothing there could wake us.
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)


async def _first(*waits: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
