"""The deadline on an answer of Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.exceptions import RedisError

from tasks.errors import RedisUnavailable

T = TypeVar("T")


async def within_deadline(action: Awaitable[T], seconds: float) -> T:
    """Return the result of an action on Redis.

    Raises RedisUnavailable if Redis is away, or has not answered after so many seconds.
    """
    request = asyncio.ensure_future(action)
    # Not asyncio.timeout: redis-py waits with `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that
    # comes together with the answer, and then outlasts the deadline.
    answered, _ = await asyncio.wait({request}, timeout=seconds)
    if not answered:
        request.cancel()
        request.add_done_callback(_discard_error)
        raise RedisUnavailable(seconds=seconds, error="no answer")
    try:
        return request.result()
    except (RedisError, OSError) as error:
        raise RedisUnavailable(seconds=seconds, error=type(error).__name__) from error


def _discard_error(request: asyncio.Future[T]) -> None:
    # asyncio would log an exception that nobody has retrieved.
    if not request.cancelled():
        request.exception()
