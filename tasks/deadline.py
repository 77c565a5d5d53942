"""Waiting for Redis, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.exceptions import RedisError

from tasks.errors import RedisUnavailable

T = TypeVar("T")


async def within_deadline(action: Awaitable[T], seconds: float) -> T:
    """What the action returns. Raises RedisUnavailable if Redis is away, or has not answered after so many seconds."""
    asking = asyncio.ensure_future(action)
    # Not asyncio.timeout: redis-py may swallow the cancellation (see tasks.call.lease) and outlast the deadline.
    answered, _ = await asyncio.wait({asking}, timeout=seconds)
    if not answered:
        asking.cancel()
        asking.add_done_callback(_forget)
        raise RedisUnavailable(seconds=seconds, error="no answer")
    try:
        return asking.result()
    except (RedisError, OSError) as error:
        raise RedisUnavailable(seconds=seconds, error=type(error).__name__) from error


def _forget(asking: asyncio.Future[T]) -> None:
    if not asking.cancelled():
        asking.exception()
