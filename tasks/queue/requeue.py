"""A call was lost: its room is queued again, in front, for another worker or for this one. Attempts are limited."""

from __future__ import annotations

import logging

from tasks.queue.message import call_message
from tasks.rooms import Losing, Lost, Room, RoomStore

logger = logging.getLogger("switchboard.tasks.failover")


async def lose_call(
    room: Room, rooms: RoomStore, max_attempts: int, *, reason: str, how: Losing = Losing.FAILED
) -> Lost:
    """The call of `room.attempt` is lost; `reason` is one line for the dead letter, should this attempt be the last."""
    lost = await rooms.lose(
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
        ),
        reason=reason,
        max_attempts=max_attempts,
        how=how,
        claimant=room.claimant,
    )
    if lost is Lost.STALE:
        return lost
    level = logging.ERROR if lost is Lost.DEAD else logging.WARNING
    logger.log(
        level, "call lost", extra={"sid": room.sid, "tenant": room.tenant, "attempt": room.attempt, "then": lost}
    )
    return lost
