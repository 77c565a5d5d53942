"""Rooms that wait for a task which is in no queue get it back."""

from __future__ import annotations

import logging

from tasks.rooms import RoomStore

BATCH = 50
QUEUED_MS_AGO = 5000
"""From queue to claim a task needs some milliseconds; one that waits is in its queue."""

logger = logging.getLogger("switchboard.tasks.reconcile")


async def sweep_tasks(rooms: RoomStore) -> int:
    """Look at most at BATCH rooms. Returns how many tasks were lost. Raises what Redis raises."""
    found = await rooms.find_tasks(QUEUED_MS_AGO, BATCH)
    for sid in found:
        logger.warning("a task was lost", extra={"sid": sid})
    return len(found)
