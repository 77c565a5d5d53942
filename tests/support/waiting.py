"""Waiting for other processes, by polling: they cannot wake a task of this one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PROBE_SECONDS = 0.05
SECONDS = 20.0


async def until(
    condition: Callable[[], Awaitable[bool]], seconds: float = SECONDS, *, every: float = PROBE_SECONDS
) -> None:
    """Wait until the condition holds. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(every)
