"""livekit-servers for tests, on free ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ops.stack import Binaries, environment
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import PortPicker


class LiveKitServerWithoutWebhooks(LiveKitServer):
    """A livekit-server that sends no webhooks, and has the same configuration otherwise."""

    def configuration(self) -> dict[str, object]:
        configuration = super().configuration()
        del configuration["webhook"]
        return configuration


@asynccontextmanager
async def livekit_server(
    binaries: Binaries,
    directory: Path,
    ports: PortPicker,
    *,
    kind: type[LiveKitServer] = LiveKitServer,
    webhook_url: str = "",
    key_pair: tuple[str, str] | None = None,
) -> AsyncIterator[LiveKitServer]:
    """Run a livekit-server, with a key and a secret of its own if none are given. Raises StackError."""
    server = kind(
        directory,
        environment.inherited(),
        binary=str(binaries.livekit),
        port=ports.pick(),
        tcp_port=ports.pick(),
        udp_port=ports.pick(),
        webhook_url=webhook_url,
    )
    if key_pair is not None:
        server.api_key, server.api_secret = key_pair
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def livekit_without_webhooks(binaries: Binaries, directory: Path) -> AsyncIterator[LiveKitServer]:
    """Run a livekit-server without webhooks, whose rooms nobody answers. Raises StackError."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
    async with livekit_server(binaries, directory, PortPicker(), kind=LiveKitServerWithoutWebhooks) as server:
        yield server
