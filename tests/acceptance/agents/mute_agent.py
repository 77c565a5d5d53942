"""An agent that joins and never says a word, as one does whose provider hangs."""

from __future__ import annotations

from livekit.agents import JobContext


async def entrypoint(ctx: JobContext) -> None:
    """Be there."""
    await ctx.connect()
