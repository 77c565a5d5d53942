"""The calls that a worker can have at one time, where no setting says so: by its open files.

The memory that is free is asked for each child, as it changes: see `tasks.worker.pool.spares`.
"""

from __future__ import annotations

import resource

MOST_SLOTS = 1000
FILES_OF_A_WORKER, FILES_OF_A_SLOT = 128, 16
"""Open files of a worker's main process: its own, and the pipes of each child."""


def slot_limit() -> int:
    """Return the most slots for which there are open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_SLOTS
    return max(1, min(MOST_SLOTS, (files - FILES_OF_A_WORKER) // FILES_OF_A_SLOT))
