"""Failures of sweeps and of single rooms: each is kept to itself, and logged when it begins and when it is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tasks.errors import RedisUnavailable
from tasks.livekit_api import LiveKitUnreachable

T = TypeVar("T")
R = TypeVar("R")

REMEMBERED = 1000
"""Failing rooms that are remembered; then all are forgotten, and logged again if they still fail."""

logger = logging.getLogger("switchboard.tasks.reconcile")


def concerns_all(error: BaseException) -> bool:
    """Return whether the error is silence of Redis or the LiveKit server, and no matter of one room or one sweep.

    An error that Redis answers with may be about one key.
    """
    cause = error.__cause__ if isinstance(error, RedisUnavailable) else error
    return cause is None or isinstance(
        cause, RedisConnectionError | RedisTimeoutError | RedisUnavailable | LiveKitUnreachable | OSError
    )


async def for_each(items: Sequence[T], action: Callable[[T], Awaitable[R]], *, concurrency: int) -> list[R]:
    """Return the results of an action on each item, of which so many run at the same time.

    Raises the first error when none of those that run with it runs any more.
    """
    results: list[R] = []
    for first in range(0, len(items), concurrency):
        some = await asyncio.gather(*map(action, items[first : first + concurrency]), return_exceptions=True)
        for result in some:
            if isinstance(result, BaseException):
                raise result
            results.append(result)
    return results


class Failures:
    """The sweeps and rooms of one reconciler that fail now."""

    def __init__(self) -> None:
        self._failing: set[tuple[str, str]] = set()

    @contextmanager
    def of_room(self, sweep: str, sid: str) -> Iterator[None]:
        """Keep an error with one room from the other rooms of a sweep.

        Raises what concerns all rooms: Redis or the LiveKit server is away.
        """
        try:
            yield
        except Exception as error:
            if concerns_all(error):
                raise
            self._begin(sweep, sid, error)
        else:
            self._failing.discard((sweep, sid))

    @contextmanager
    def of_sweep(self, sweep: str) -> Iterator[None]:
        """Keep an error of one sweep from the others. Raises what concerns all: Redis or the LiveKit server is away."""
        try:
            yield
        except Exception as error:
            if concerns_all(error):
                raise
            self._begin(sweep, "", error)
        else:
            if (sweep, "") in self._failing:
                logger.info("sweep works again", extra={"sweep": sweep})
            self._failing.discard((sweep, ""))

    def _begin(self, sweep: str, sid: str, error: Exception) -> None:
        if (sweep, sid) in self._failing:
            return
        if len(self._failing) >= REMEMBERED:
            self._failing.clear()
        self._failing.add((sweep, sid))
        message = "sweep failed for a room" if sid else "sweep failed"
        # The stack of an error that Redis answered with says nothing.
        stack = None if isinstance(error, RedisError | RedisUnavailable) else error
        fields = {"sweep": sweep, "sid": sid or None, "error": type(error).__name__}
        logger.error(message, extra=fields, exc_info=stack)
