"""The calls that a worker of this host can have at one time, where no setting says so: by its memory and open files."""

from __future__ import annotations

import resource

from tasks.settings import memory

MOST_SLOTS = 1000
FILES_OF_A_WORKER, FILES_OF_A_SLOT = 128, 16
"""Open files of a worker's main process: its own, and the pipes of each child."""


def slot_limit(call_memory_mb: float) -> int:
    """Return the most slots for which there are memory, as if all of it was free, and open files."""
    limits = [MOST_SLOTS]
    if call_memory_mb:
        limits.append(int(memory.available().total_mb / call_memory_mb))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        limits.append((files - FILES_OF_A_WORKER) // FILES_OF_A_SLOT)
    return max(1, min(limits))
