"""The network of another host: a network namespace, and a link to it that can be cut.

Redis and livekit-server listen on an address of this machine's loopback interface, which stays while the link is cut.
Packets of the other host are then dropped without an error.
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
from tests.chaos.installation import SLOTS, ChaosInstallation, start_installation

FAR = "far"


class NotPermitted(Exception):
    """This process may not create network namespaces: run it as root, on Linux, with iproute2."""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


class Network:
    """The network namespace. `address`: this machine's address in it."""

    def __init__(self) -> None:
        self.name = f"chaos-{secrets.token_hex(3)}"
        # 198.18.0.0/15 is reserved for benchmarks of networks.
        subnet = f"198.18.{secrets.randbelow(256)}"
        self.address, self._far_address = f"{subnet}.1", f"{subnet}.2"
        # The name of an interface has at most 15 characters.
        self._near_end, self._far_end = f"{self.name}-a", f"{self.name}-b"

    @classmethod
    @asynccontextmanager
    async def create(cls) -> AsyncIterator[Self]:
        """Create the namespace and connect it. Raises NotPermitted."""
        network = cls()
        try:
            await ip("netns", "add", network.name)
        except OSError as error:
            raise NotPermitted from error
        try:
            await network._connect()
            yield network
        finally:
            # Deleting the namespace deletes both ends of the link.
            for undo in (
                ("netns", "delete", network.name),
                ("address", "delete", f"{network.address}/32", "dev", "lo"),
            ):
                with contextlib.suppress(OSError):
                    await ip(*undo)

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """The command that runs another command in the namespace."""
        return ("ip", "netns", "exec", self.name)

    async def cut(self) -> None:
        """Cut the link."""
        await ip("link", "set", self._near_end, "down")

    async def restore(self) -> None:
        """Restore the link."""
        await ip("link", "set", self._near_end, "up")
        await ip("route", "replace", self._far_address, "dev", self._near_end)

    async def _connect(self) -> None:
        in_namespace = ("-n", self.name)
        await ip("address", "add", f"{self.address}/32", "dev", "lo")
        await ip("link", "add", self._near_end, "type", "veth", "peer", "name", self._far_end, "netns", self.name)
        await self.restore()
        await ip(*in_namespace, "link", "set", "lo", "up")
        await ip(*in_namespace, "address", "add", f"{self._far_address}/32", "dev", self._far_end)
        await ip(*in_namespace, "link", "set", self._far_end, "up")
        # No default route: name resolution fails at once, and does not wait for a name server.
        await ip(*in_namespace, "route", "add", self.address, "dev", self._far_end)


@asynccontextmanager
async def two_hosts(binaries: Binaries, directory: Path) -> AsyncIterator[ChaosInstallation]:
    """Start an installation with a worker on this machine and one on another host. Raises NotPermitted."""
    async with Network.create() as network:
        workers = [
            WorkerSpec("near", ("premium",), slots=SLOTS),
            WorkerSpec(FAR, ("premium",), slots=SLOTS, command_prefix=network.command_prefix),
        ]
        async with start_installation(binaries, directory, workers, host=network.address) as installation:
            installation.network = network
            yield installation


async def ip(*arguments: str) -> None:
    """Run `ip`. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, output = await process.communicate()
    if process.returncode:
        msg = f"ip {' '.join(arguments)}: {output.decode(errors='replace').strip()}"
        raise OSError(msg)
