"""Rescue of lost calls and lost messages."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tasks.queue.requeue import requeue_call
from tasks.rooms import LossCause, RequeueResult, RoomStore

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class RescuerConfig:
    """Bounds of one sweep."""

    leases: int = 100
    """Most calls that are requeued in a sweep."""
    messages: int = 50
    """Most queued rooms whose message is checked in a sweep."""
    queued_ms: int = 5000
    """A room that was queued more recently is not checked. From queue to claim a message takes some milliseconds."""


DEFAULTS = RescuerConfig()


class Rescuer:
    """Requeues rooms whose call or message was lost. Methods raise what Redis raises."""

    def __init__(self, rooms: RoomStore, max_attempts: int, config: RescuerConfig = DEFAULTS) -> None:
        self._rooms = rooms
        self._max_attempts = max_attempts
        self._config = config

    async def requeue_lost_calls(self) -> int:
        """Requeue rooms whose lease has expired. Returns how many were requeued."""
        expired = await self._rooms.list_expired_leases(self._config.leases)
        return sum([await self._requeue(sid) for sid in expired])

    async def requeue_lost_messages(self) -> int:
        """Put back the messages of rooms that are queued and in no queue. Returns how many were put back.

        Queue the rooms, too, whose delay after quick failures is over.
        """
        await self._rooms.queue_delayed_rooms(self._config.messages)
        lost = await self._rooms.requeue_lost_messages(self._config.queued_ms, self._config.messages)
        for sid in lost:
            logger.warning("message lost; room requeued", extra={"sid": sid})
        return len(lost)

    async def _requeue(self, sid: str) -> bool:
        room = await self._rooms.get(sid)
        if room is None:
            await self._rooms.delete_lease(sid)
            return False
        reason = f"{room.worker} stopped renewing the lease"
        result = await requeue_call(room, self._rooms, self._max_attempts, reason=reason, cause=LossCause.LEASE_EXPIRED)
        return result is RequeueResult.REQUEUED
