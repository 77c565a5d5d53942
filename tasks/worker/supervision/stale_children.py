"""Stale children: they go on with a call that is no longer theirs, because the room has another attempt or is over.

A healthy child learns that by itself and leaves. One whose event loop hangs does not, and would keep its slot. One that
uploads what it has recorded has left already, and has more time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from tasks.call.scoreboard import Scoreboard
from tasks.redis_client import Outage
from tasks.rooms import State, keys
from tasks.worker.pool.call_killer import CallKiller, RunningCall

GRACE_SECONDS = 10.0
"""The time that a child may be stale. A healthy one has left by then."""
CLAIM_SECONDS = 30.0
"""The time that a child may have a task before its room is running, if the room waits for just this attempt."""
FLUSH_SECONDS = 10.0
"""The time after an upload in which the last spans are sent."""
BACKOFF_SECONDS = 5.0

logger = logging.getLogger("switchboard.tasks.worker")


class StaleChildren:
    """The stale children of a worker. Those that have been stale for the grace time are killed.

    `upload_seconds`: the time for an upload.
    """

    def __init__(
        self,
        redis: Redis,
        outage: Outage,
        killer: CallKiller,
        scoreboard: Scoreboard,
        *,
        worker: str,
        upload_seconds: float,
    ) -> None:
        self._redis = redis
        self._outage = outage
        self._killer = killer
        self._scoreboard = scoreboard
        self._worker = worker
        self._upload_seconds = upload_seconds + FLUSH_SECONDS
        self._since: dict[int, float] = {}
        self._paused_until = 0.0

    def check(self, calls: Sequence[RunningCall]) -> None:
        """Compare the worker's calls with their rooms. While Redis is away no child counts as stale."""
        if not calls or time.monotonic() < self._paused_until:
            return
        try:
            held = self._held(calls)
        except (RedisError, OSError) as error:
            self._paused_until = time.monotonic() + BACKOFF_SECONDS
            self._since.clear()
            self._outage.failed(error)
            return
        now = time.monotonic()
        stale = [call for call, holds in zip(calls, held, strict=True) if not holds]
        self._since = {call.pid: self._since.get(call.pid, now) for call in stale}
        for call in stale:
            uploading = self._scoreboard.row(call.index).uploading
            if now - self._since[call.pid] >= GRACE_SECONDS + (self._upload_seconds if uploading else 0.0):
                self._killer.kill(call, "stale: its room is over, or another attempt's")

    def _held(self, calls: Sequence[RunningCall]) -> list[bool]:
        """Return, for each call, whether its room is still its own, or about to be."""
        with self._redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.hmget(keys.room(call.sid), ["state", "attempt", "worker", "pid"])
            rooms = cast("list[list[str | None]]", pipe.execute())
        return [self._holds(call, *room) for call, room in zip(calls, rooms, strict=True)]

    def _holds(self, call: RunningCall, room_state: str | None, attempt: str | None, *claimed_by: str | None) -> bool:
        if attempt != str(call.attempt):
            return False
        if room_state == State.QUEUED:
            return call.seconds < CLAIM_SECONDS
        return room_state == State.RUNNING and list(claimed_by) == [self._worker, str(call.pid)]
