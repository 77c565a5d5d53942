"""Children that go on although their call is no longer theirs: the room has another attempt, or is over.

A child that is well finds that out by itself and leaves. One whose event loop hangs does not, and would keep its slot.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any, cast

from celery.worker import state
from redis.exceptions import RedisError

from tasks.rooms import State, keys

if TYPE_CHECKING:
    from redis import Redis

WATCH_SECONDS = 2.0
GRACE_SECONDS = 10.0
BACKOFF_SECONDS = 5.0

logger = logging.getLogger("switchboard.tasks.worker")


class Strays:
    """Looks at the calls of this worker, and kills children that have been strays for the grace time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._since: dict[int, float] = {}
        self._not_before = 0.0

    def watch(self) -> None:
        """Look once. Redis being away is no reason to kill anybody."""
        requests = [request for request in state.active_requests if request.worker_pid]
        if not requests or time.monotonic() < self._not_before:
            return
        try:
            owned = self._owned(requests)
        except (RedisError, OSError) as error:
            self._not_before = time.monotonic() + BACKOFF_SECONDS
            self._since.clear()
            logger.warning("strays not looked for", extra={"error": type(error).__name__})
            return
        now = time.monotonic()
        strays = {request.worker_pid: request for request, own in zip(requests, owned, strict=True) if not own}
        self._since = {pid: self._since.get(pid, now) for pid in strays}
        for pid, request in strays.items():
            if now - self._since[pid] >= GRACE_SECONDS:
                logger.error("killing a child that goes on with a call that is not its own", extra=_fields(request))
                kill(pid)

    def _owned(self, requests: list[Any]) -> list[bool]:
        with self._redis.pipeline(transaction=False) as pipe:
            for request in requests:
                pipe.hmget(keys.room(request.kwargs["sid"]), ["state", "attempt"])
            rooms = cast("list[list[str | None]]", pipe.execute())
        return [
            found in {State.QUEUED, State.RUNNING} and attempt == str(request.kwargs["attempt"])
            for request, (found, attempt) in zip(requests, rooms, strict=True)
        ]


def kill(pid: int) -> None:
    """SIGKILL to a child, which may have ended meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _fields(request: Any) -> dict[str, Any]:
    return {"pid": request.worker_pid, "sid": request.kwargs["sid"], "attempt": request.kwargs["attempt"]}
