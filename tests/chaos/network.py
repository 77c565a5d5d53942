"""Another host, as far as its network is concerned: a network namespace, and the cable to it.

The address at which Redis and livekit-server listen is on this machine's loopback, so that it stays while the cable is
out. What the other host sends meanwhile goes nowhere, and nobody tells it so.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from ops.stack import Binaries, WorkerSpec
from tests.chaos.installation import SLOTS, Stage, opened

FAR = "far"


class NotPermitted(Exception):
    """This process may not make network namespaces: run it as root, on Linux, with iproute2."""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


class Network:
    """`address` is this machine, as the other host knows it."""

    def __init__(self) -> None:
        self.name = f"chaos-{secrets.token_hex(3)}"
        # A range that is reserved for measurements between networks.
        subnet = f"198.18.{secrets.randbelow(256)}"
        self.address, self._far_address = f"{subnet}.1", f"{subnet}.2"
        # The name of an interface has at most 15 letters.
        self._cable, self._far_end = f"{self.name}-a", f"{self.name}-b"

    @classmethod
    @asynccontextmanager
    async def made(cls) -> AsyncIterator[Self]:
        """The other host, connected. Raises NotPermitted."""
        network = cls()
        try:
            await _ip("netns", "add", network.name)
        except OSError as error:
            raise NotPermitted from error
        try:
            await network._connect()
            yield network
        finally:
            # With it goes its end of the cable, and so the other end.
            for undo in (
                ("netns", "delete", network.name),
                ("address", "delete", f"{network.address}/32", "dev", "lo"),
            ):
                with contextlib.suppress(OSError):
                    await _ip(*undo)

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command there."""
        return ("ip", "netns", "exec", self.name)

    async def cut(self) -> None:
        """Pull the cable."""
        await _ip("link", "set", self._cable, "down")

    async def join(self) -> None:
        """Plug it in again."""
        await _ip("link", "set", self._cable, "up")
        await _ip("route", "replace", self._far_address, "dev", self._cable)

    async def _connect(self) -> None:
        there = ("-n", self.name)
        await _ip("address", "add", f"{self.address}/32", "dev", "lo")
        await _ip("link", "add", self._cable, "type", "veth", "peer", "name", self._far_end, "netns", self.name)
        await self.join()
        await _ip(*there, "link", "set", "lo", "up")
        await _ip(*there, "address", "add", f"{self._far_address}/32", "dev", self._far_end)
        await _ip(*there, "link", "set", self._far_end, "up")
        # No way to anywhere else: the resolver says so at once, and nobody waits for a name server.
        await _ip(*there, "route", "add", self.address, "dev", self._far_end)


@asynccontextmanager
async def two_hosts(binaries: Binaries, directory: Path) -> AsyncIterator[Stage]:
    """A stage with a worker on this machine and one on another host. Raises NotPermitted."""
    async with Network.made() as network:
        workers = [
            WorkerSpec("near", ("premium",), slots=SLOTS),
            WorkerSpec(FAR, ("premium",), slots=SLOTS, inside=network.inside),
        ]
        async with opened(binaries, directory, workers, host=network.address) as stage:
            stage.network = network
            yield stage


async def _ip(*arguments: str) -> None:
    """Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        msg = f"ip {' '.join(arguments)}: {said.decode(errors='replace').strip()}"
        raise OSError(msg)
