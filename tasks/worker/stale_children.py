"""Stale children: they go on with a call that is no longer theirs, because the room has another attempt or is over.

A healthy child learns that by itself and leaves. One whose event loop hangs does not, and would keep its slot.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any, cast

from celery.worker import state
from redis import Redis
from redis.exceptions import RedisError

from tasks.redis_client import Outage
from tasks.rooms import State, keys

CHECK_SECONDS = 2.0
GRACE_SECONDS = 10.0
"""The time that a child may be stale. A healthy one has left by then."""
BACKOFF_SECONDS = 5.0

logger = logging.getLogger("switchboard.tasks.worker")


class StaleChildren:
    """The stale children of a worker. Those that have been stale for the grace time are killed."""

    def __init__(self, redis: Redis, outage: Outage) -> None:
        self._redis = redis
        self._outage = outage
        self._since: dict[int, float] = {}
        self._paused_until = 0.0

    def check(self) -> None:
        """Compare the worker's calls with their rooms. While Redis is away no child counts as stale."""
        requests = [request for request in state.active_requests if request.worker_pid]
        if not requests or time.monotonic() < self._paused_until:
            return
        try:
            held = self._held(requests)
        except (RedisError, OSError) as error:
            self._paused_until = time.monotonic() + BACKOFF_SECONDS
            self._since.clear()
            self._outage.failed(error)
            return
        now = time.monotonic()
        stale = {request.worker_pid: request for request, holds in zip(requests, held, strict=True) if not holds}
        self._since = {pid: self._since.get(pid, now) for pid in stale}
        for pid, request in stale.items():
            if now - self._since[pid] >= GRACE_SECONDS:
                fields = {"pid": pid, "sid": request.kwargs["sid"], "attempt": request.kwargs["attempt"]}
                logger.error("killing a stale child", extra=fields)
                kill(pid)

    def _held(self, requests: list[Any]) -> list[bool]:
        """Return, for each request, whether its room is still open and at its attempt."""
        with self._redis.pipeline(transaction=False) as pipe:
            for request in requests:
                pipe.hmget(keys.room(request.kwargs["sid"]), ["state", "attempt"])
            rooms = cast("list[list[str | None]]", pipe.execute())
        return [
            room_state in {State.QUEUED, State.RUNNING} and attempt == str(request.kwargs["attempt"])
            for request, (room_state, attempt) in zip(requests, rooms, strict=True)
        ]


def kill(pid: int) -> None:
    """Kill a child with SIGKILL. It may have ended meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
