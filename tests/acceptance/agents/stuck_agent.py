"""Agents that get stuck in the ways in which agents do."""

from __future__ import annotations

import asyncio
import re
import time

from livekit.agents import AgentServer, JobContext, JobRequest

PAUSE_SECONDS = 3.0


async def hangs_in_a_callback(ctx: JobContext) -> None:
    """Have a shutdown callback that never returns."""

    async def upload_that_never_ends() -> None:
        await asyncio.Event().wait()

    ctx.add_shutdown_callback(upload_that_never_ends)
    await ctx.connect()


async def blocks_for_a_while(ctx: JobContext) -> None:
    """Block the event loop for some seconds, once, as a function tool with `time.sleep` does."""
    await ctx.connect()
    time.sleep(PAUSE_SECONDS)  # noqa: ASYNC251 - the very mistake
    await ctx.room.local_participant.set_attributes({"tool": "done"})


async def blocks_for_good(ctx: JobContext) -> None:
    """Block the event loop, but for the second attempt."""
    await ctx.connect()
    while ctx.job.id.endswith(":1"):
        time.sleep(1)  # noqa: ASYNC251 - the very mistake


async def holds_the_lock(ctx: JobContext) -> None:
    """Hold the interpreter's lock in the first attempt, in a regular expression that takes ages."""
    await ctx.connect()
    if ctx.job.id.endswith(":1"):
        re.match(r"(a+)+$", "a" * 64 + "b")


async def _decides_late(request: JobRequest) -> None:
    if request.job.id.endswith(":1"):
        await asyncio.Event().wait()
    await request.accept()


undecided = AgentServer()


@undecided.rtc_session(on_request=_decides_late)
async def answers(ctx: JobContext) -> None:
    """Join the room, whose request took its time."""
    await ctx.connect()


async def shuts_down(ctx: JobContext) -> None:
    """Hand the caller over to a person, and leave."""
    await ctx.connect()
    ctx.shutdown("handed to a colleague")
