"""Joining a room for an agent that would only call `ctx.connect()`, before its entrypoint gets to it."""

from __future__ import annotations

import logging
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from livekit import rtc
from livekit.agents import JobContext
from livekit.agents.types import ATTRIBUTE_AGENT_STATE

logger = logging.getLogger("switchboard.pipeline.joining")

_DESCRIPTORS = Path("/dev/fd")


async def join_early(ctx: JobContext) -> None:
    """Join, and be seen. What fails is logged: the entrypoint's own `ctx.connect()` tries again, and raises."""
    before = _sockets()
    try:
        await ctx.connect()
        for descriptor in _sockets() - before:
            _send_at_once(descriptor)
        # The server tells the others of a participant when it has published something, or else within 3 s. But at once
        # when one of its attributes changes.
        await ctx.room.local_participant.set_attributes({ATTRIBUTE_AGENT_STATE: "initializing"})
    except rtc.ConnectError as error:
        logger.warning("the room was not joined early", extra={"error": type(error).__name__})


def _send_at_once(descriptor: int) -> None:
    """Set TCP_NODELAY, as livekit's client does not.

    After a join with one peer connection, its default, the client's last message is not acknowledged for 40 ms, and
    until then Nagle's algorithm holds the next one back: the attribute here, and then the first track.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as found:
        if found.family in {socket.AF_INET, socket.AF_INET6} and found.type == socket.SOCK_STREAM:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _sockets() -> set[int]:
    found = set()
    for entry in _DESCRIPTORS.iterdir():
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                found.add(int(entry.name))
    return found
