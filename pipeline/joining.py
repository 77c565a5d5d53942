"""Joining a room for an agent that would only call `ctx.connect()`, before its entrypoint gets to it."""

from __future__ import annotations

import logging

from livekit import rtc
from livekit.agents import JobContext
from livekit.agents.types import ATTRIBUTE_AGENT_STATE

logger = logging.getLogger("switchboard.pipeline.joining")


async def join_early(ctx: JobContext) -> None:
    """Join, and be seen. What fails is logged: the entrypoint's own `ctx.connect()` tries again, and raises.

    A connection for each direction: with one for both, which is the default, whatever the client sends right after it
    has joined (the first track, for one) waits 40 ms. Its last message is not acknowledged yet and the next one is
    held back until it is (Nagle's algorithm), as livekit's client does not set TCP_NODELAY.
    """
    try:
        await ctx.connect(single_peer_connection=False)
        # The server tells the others of a participant when it has published something, or else within 3 s. But at once
        # when one of its attributes changes.
        await ctx.room.local_participant.set_attributes({ATTRIBUTE_AGENT_STATE: "initializing"})
    except rtc.ConnectError as error:
        logger.warning("the room was not joined early", extra={"error": type(error).__name__})
