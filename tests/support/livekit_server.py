"""Livekit-servers of tests, on free ports."""

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
async def livekit_server(
    binaries: Binaries,
    directory: Path,
    ports: PortPicker,
    *,
    kind: type[LiveKitServer] = LiveKitServer,
    webhook_url: str = "",
) -> AsyncIterator[LiveKitServer]:
    """One that runs. Raises a StackError."""
    server = kind(
        directory,
        environment.inherited(),
        binary=str(binaries.livekit),
        port=ports.pick(),
        tcp_port=ports.pick(),
        udp_port=ports.pick(),
        webhook_url=webhook_url,
    )
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def quiet_livekit(binaries: Binaries, directory: Path) -> AsyncIterator[LiveKitServer]:
    """One that has no agents. Raises a StackError."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
    async with livekit_server(binaries, directory, PortPicker(), kind=Quiet) as server:
        yield server
