"""Calls whose lease has ended are queued again."""

from __future__ import annotations

from tasks.queue.requeue import lose_call
from tasks.rooms import Losing, Lost, RoomStore

BATCH = 100


async def sweep_leases(rooms: RoomStore, max_attempts: int) -> int:
    """Queue each of them again, at most BATCH. Returns how many were. Raises what Redis raises."""
    return sum([await _lose(rooms, max_attempts, sid) for sid in await rooms.expired(BATCH)])


async def _lose(rooms: RoomStore, max_attempts: int, sid: str) -> bool:
    room = await rooms.get(sid)
    if room is None:
        await rooms.forget_lease(sid)
        return False
    reason = f"{room.worker} stopped renewing the lease"
    return await lose_call(room, rooms, max_attempts, reason=reason, how=Losing.IF_EXPIRED) is Lost.REQUEUED
