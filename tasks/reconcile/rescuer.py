"""Rescue of lost calls and lost messages."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tasks.queue.requeue import requeue_call
from tasks.reconcile.failures import Failures
from tasks.rooms import LossCause, Repairs, RequeueResult, RoomStore, SweepName

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
    settled_ms: int = 1000
    """A lease that has longer to go than its TTL and this was given before a step of Redis' clock that was seen."""
    unseen_ms: int = 60_000
    """The same where no step was seen: a receiver may have started after it."""
    settled: int = 10_000
    """Most leases, and as many messages, that are settled after a step of Redis' clock."""


DEFAULTS = RescuerConfig()


class Rescuer:
    """Requeues rooms whose call or message was lost. Methods raise what Redis raises."""

    def __init__(
        self,
        rooms: RoomStore,
        max_attempts: int,
        config: RescuerConfig = DEFAULTS,
        *,
        repairs: Repairs | None = None,
    ) -> None:
        self._rooms = rooms
        self._repairs = Repairs() if repairs is None else repairs
        self._max_attempts = max_attempts
        self._config = config
        self._failures = Failures()
        self._unreadable: set[str] = set()

    async def requeue_lost_calls(self, latest_ms: int | None = None) -> int:
        """Requeue rooms whose lease has expired. Returns how many were requeued.

        `latest_ms`: what Redis' clock can show at most (unix ms), if it has not stepped forward.
        """
        # Rooms that cannot be requeued stay in front, and must not keep others from being listed.
        most = self._config.leases + len(self._unreadable)
        expired = await self._rooms.list_expired_leases(most, latest_ms=latest_ms)
        requeued, failed = 0, set()
        for sid in expired:
            failed.add(sid)
            with self._failures.of_room("lost calls", sid):
                requeued += await self._requeue(sid)
                failed.remove(sid)
        self._unreadable = failed
        self._repairs[SweepName.LOST_CALLS] += requeued
        return requeued

    async def settle_step_back(self, lease_seconds: float, *, seen: bool) -> None:
        """Settle what a clock that has stepped back has left behind. `seen`: this process has seen it step back."""
        # Workers may have been given a longer lease than this process. Only a step that was seen makes it less likely.
        tolerated = self._config.settled_ms if seen else self._config.unseen_ms
        leases, messages = await self._rooms.settle_step_back(
            round(lease_seconds * 1000) + tolerated, self._config.settled
        )
        if leases or messages:
            fields = {"leases": leases, "messages": messages}
            logger.warning("stamped before Redis' clock stepped back; settled", extra=fields)

    async def requeue_lost_messages(self) -> int:
        """Put back the messages of rooms that are queued and in no queue. Returns how many were put back.

        Queue the rooms, too, whose delay after quick failures is over.
        """
        await self._rooms.queue_delayed_rooms(self._config.messages)
        lost = await self._rooms.requeue_lost_messages(self._config.queued_ms, self._config.messages)
        for sid in lost:
            logger.warning("message lost; room requeued", extra={"sid": sid})
        self._repairs[SweepName.LOST_MESSAGES] += len(lost)
        return len(lost)

    async def _requeue(self, sid: str) -> bool:
        room = await self._rooms.get(sid)
        if room is None:
            await self._rooms.delete_lease(sid)
            return False
        reason = f"{room.worker} stopped renewing the lease"
        result = await requeue_call(room, self._rooms, self._max_attempts, reason=reason, cause=LossCause.LEASE_EXPIRED)
        return result is RequeueResult.REQUEUED
