"""The trace of a room that is about to be created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def save_trace(redis: Redis, name: str, trace: str) -> None:
    """Save the context that the dispatch of the room with this name belongs to. Raises what Redis raises."""
    await redis.set(keys.trace(name), trace, px=keys.TRACE_MS)
