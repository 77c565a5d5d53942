"""An agent whose calls are short, so that a test sees many of them one after another."""

from __future__ import annotations

import asyncio

from livekit.agents import JobContext

CALL_SECONDS = 2.5


async def entrypoint(ctx: JobContext) -> None:
    """Be there for a moment, and end the call."""
    await ctx.connect()
    await asyncio.sleep(CALL_SECONDS)
    ctx.shutdown("that was all")
