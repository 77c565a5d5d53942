"""The early join of a room, for an agent that only calls `ctx.connect()`, before its entrypoint gets to it."""

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

logger = logging.getLogger("switchboard.pipeline.call")

_DESCRIPTORS = Path("/dev/fd")


async def join_early(ctx: JobContext) -> None:
    """Join the room and become visible in it.

    A failure is only logged: the entrypoint's own `ctx.connect()` tries again, and raises.
    """
    before = _sockets()
    try:
        await ctx.connect()
        for descriptor in _sockets() - before:
            _set_no_delay(descriptor)
        # The server announces a participant to the others once it has published something, or else within 3 s; but at
        # once when one of its attributes changes.
        await ctx.room.local_participant.set_attributes({ATTRIBUTE_AGENT_STATE: "initializing"})
    except rtc.ConnectError as error:
        logger.warning("early join failed", extra={"error": type(error).__name__})


def _set_no_delay(descriptor: int) -> None:
    """Set TCP_NODELAY, which livekit's client does not.

    After a join with one peer connection, its default, the client's last message is not acknowledged for 40 ms, and
    until then Nagle's algorithm holds back the next ones: the attribute here, and then the first track.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family in {socket.AF_INET, socket.AF_INET6} and connection.type == socket.SOCK_STREAM:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _sockets() -> set[int]:
    sockets = set()
    for entry in _DESCRIPTORS.iterdir():
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                sockets.add(int(entry.name))
    return sockets
