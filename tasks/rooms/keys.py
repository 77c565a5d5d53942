"""The names of the keys. Only this file and the docstring of the package spell them."""

from __future__ import annotations

PREFIX = "switchboard:"
ROOMS = f"{PREFIX}rooms"
QUEUED = f"{PREFIX}queued"
LEASES = f"{PREFIX}leases"
CALLS = f"{PREFIX}calls"
DEAD = f"{PREFIX}dead"
LEADER = f"{PREFIX}reconciler"
PLACES = f"{PREFIX}places"
LINE = f"{PREFIX}line"
READY = f"{PREFIX}ready"
ADMISSION = f"{PREFIX}admission"
UNANSWERED = f"{PREFIX}unanswered"
TELL = f"{PREFIX}tell"
WORKERS = f"{PREFIX}worker:"

ADMITTING = (QUEUED, PLACES, LINE, READY, ADMISSION, UNANSWERED)
"""In the order of admission.lua."""
PERMANENT = frozenset({ROOMS, LEASES, CALLS, DEAD, TELL, *ADMITTING})


def room(sid: str) -> str:
    """The hash of one room."""
    return f"{PREFIX}room:{sid}"


def conversation(sid: str) -> str:
    """What was said in a room so far."""
    return f"{PREFIX}conversation:{sid}"


def request(digest: str) -> str:
    """What became of a request that is to make one call, however often it comes."""
    return f"{PREFIX}request:{digest}"


def worker(node: str) -> str:
    """The heartbeat of one worker, by its Celery node name."""
    return f"{WORKERS}{node}"
