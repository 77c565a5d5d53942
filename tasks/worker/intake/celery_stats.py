"""Statistics of a worker's intake for Celery's `inspect stats`, which Flower shows on the worker's page.

They are those of the last heartbeat, at most half a second old, and of one moment: to answer costs no read of Redis and
no measurement.
"""

from __future__ import annotations

from typing import Any

from tasks.call.drain import Drain
from tasks.rooms import WorkerStatus


def intake_stats(status: WorkerStatus, drain: Drain) -> dict[str, Any]:
    """Return what goes above Celery's own statistics of the pool.

    Names are like Celery's beside them: Flower writes `load-reserved` as "Load reserved". `load` and `load-reserved`
    are shares of all cores, from 0 to 1.
    """
    stats: dict[str, Any] = {
        "intake": status.state,
        "calls": status.busy,
        "spares": status.idle,
        "slots": status.slots,
        "load": round(status.load, 3),
        "load-reserved": round(status.reserved, 3),
        "drain": f"{drain.seconds_left:.0f} s left at most" if drain.begun else "none",
    }
    return stats | ({"problem": status.problem} if status.problem else {})
