"""A livekit-server of a test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ops.stack import Binaries, environment
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import PortPicker


class Quiet(LiveKitServer):
    """A livekit-server that tells nobody of its rooms; for the rest as the other one."""

    def configuration(self) -> dict[str, object]:
        whole = super().configuration()
        del whole["webhook"]
        return whole


@asynccontextmanager
async def quiet_livekit(binaries: Binaries, directory: Path) -> AsyncIterator[LiveKitServer]:
    """A livekit-server that has no agents. Raises a StackError."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything is measured
    ports = PortPicker()
    livekit = Quiet(
        directory,
        environment.inherited(),
        binary=str(binaries.livekit),
        port=ports.pick(),
        tcp_port=ports.pick(),
        udp_port=ports.pick(),
        webhook_url="",
    )
    try:
        await livekit.start()
        yield livekit
    finally:
        await livekit.stop()
