"""Waiting for what another process does: nothing there could wake us, so we look again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PROBE_SECONDS = 0.02
SECONDS = 20.0


async def until(
    condition: Callable[[], Awaitable[bool]], seconds: float = SECONDS, *, every: float = PROBE_SECONDS
) -> None:
    """Return when the condition holds. Raises TimeoutError after so many seconds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(every)
