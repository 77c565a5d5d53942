"""Switchboard's own agent, which prints, warns and logs before it begins."""

from __future__ import annotations

import logging
import sys
import warnings

from livekit.agents import JobContext

from pipeline.voice_agent import entrypoint as voice_agent


async def entrypoint(ctx: JobContext) -> None:
    print("printed by the agent")
    print("two\nlines", file=sys.stderr)
    warnings.warn("warned by the agent", stacklevel=1)
    logging.getLogger("agent").info("logged by the agent", extra={"answer": 42})
    await voice_agent(ctx)
