"""Checks of Redis: it answers, quickly, and takes a write."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator
from typing import Any, cast

from ops.commands.doctor.finding import Finding, error, ok, warning
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.redis_problem import problem_of
from tasks.errors import RedisUnavailable
from tasks.rooms import RoomStore

PINGS = 20
SLOW_MS = 20.0
TOO_SLOW_MS = 200.0


async def answers(installation: Installation) -> AsyncIterator[Finding]:
    """Check that Redis answers, and how soon."""
    server = installation.settings.redis.server
    milliseconds: list[float] = []
    try:
        # One more for the connection, which is not measured.
        for _ in range(PINGS + 1):
            began = time.perf_counter()
            await installation.ask_redis(cast("Any", installation.redis.ping()))
            milliseconds.append((time.perf_counter() - began) * 1000)
    except RedisUnavailable as failure:
        problem = problem_of(failure)
        yield error(f"Redis at {server} {problem.text}", problem.cure)
        return
    median = statistics.median(milliseconds[1:])
    text = f"Redis at {server} answers in {median:.1f} ms"
    cure = "put Redis nearer to receivers and workers; redis-cli --latency and SLOWLOG GET say what delays it"
    if median > TOO_SLOW_MS:
        yield error(f"{text}: a call takes ten such answers before its agent speaks", cure)
    elif median > SLOW_MS:
        yield warning(text, cure)
    else:
        yield ok(text)


async def writes(installation: Installation) -> AsyncIterator[Finding]:
    """Check that Redis runs a script and takes a write, as whatever opens a room needs."""
    await installation.require_redis()
    try:
        await installation.ask_redis(RoomStore(installation.redis).prove_write())
    except RedisUnavailable as failure:
        problem = problem_of(failure)
        yield error(f"Redis {problem.text}", problem.cure)
        return
    yield ok("Redis takes a write")
