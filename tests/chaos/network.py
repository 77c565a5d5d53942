"""The network of another host: a network namespace, and two links to it that can be cut, one of them to Redis alone.

Redis and livekit-server listen on an address of this machine's loopback interface, which stays while its link is cut.
Packets of the other host are then dropped without an error. The other host reaches Redis by a relay on the other link.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from ops.stack import Binaries, WorkerSpec
from ops.stack.ports import PortPicker
from tests.chaos.installation import SLOTS, ChaosInstallation, start_installation

FAR = "far"


class NotPermitted(Exception):
    """This process may not create network namespaces: run it as root, on Linux, with iproute2."""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


class Link:
    """A link to the namespace. `address`: this machine's address on it."""

    def __init__(self, namespace: str, letter: str, subnet: str) -> None:
        self.address, self._far_address = f"{subnet}.1", f"{subnet}.2"
        self._in_namespace = ("-n", namespace)
        # The name of an interface has at most 15 characters.
        self._near_end, self._far_end = f"{namespace}-{letter}", f"{namespace}-{letter}f"

    async def connect(self) -> None:
        """Make the link."""
        await _ip("address", "add", f"{self.address}/32", "dev", "lo")
        await _ip("link", "add", self._near_end, "type", "veth", "peer", "name", self._far_end)
        await _ip("link", "set", self._far_end, "netns", self._in_namespace[1])
        await self.restore()
        await _ip(*self._in_namespace, "address", "add", f"{self._far_address}/32", "dev", self._far_end)
        await _ip(*self._in_namespace, "link", "set", self._far_end, "up")
        # No default route: name resolution fails at once, and does not wait for a name server.
        await _ip(*self._in_namespace, "route", "add", self.address, "dev", self._far_end)

    async def cut(self) -> None:
        """Cut the link."""
        await _ip("link", "set", self._near_end, "down")

    async def restore(self) -> None:
        """Restore the link."""
        await _ip("link", "set", self._near_end, "up")
        await _ip("route", "replace", self._far_address, "dev", self._near_end)

    async def remove_address(self) -> None:
        """Remove what deleting the namespace leaves."""
        await _ip("address", "delete", f"{self.address}/32", "dev", "lo")


class Network:
    """The network namespace, and its links."""

    def __init__(self) -> None:
        self.name = f"chaos-{secrets.token_hex(3)}"
        # 198.18.0.0/15 is reserved for benchmarks of networks.
        number = secrets.randbelow(256)
        self.main = Link(self.name, "a", f"198.18.{number}")
        self.redis = Link(self.name, "b", f"198.19.{number}")

    @classmethod
    @asynccontextmanager
    async def create(cls) -> AsyncIterator[Self]:
        """Create the namespace and connect it. Raises NotPermitted."""
        network = cls()
        try:
            await _ip("netns", "add", network.name)
        except OSError as error:
            raise NotPermitted from error
        try:
            await _ip("-n", network.name, "link", "set", "lo", "up")
            await network.main.connect()
            await network.redis.connect()
            yield network
        finally:
            # Deleting the namespace deletes both ends of each link.
            with contextlib.suppress(OSError):
                await _ip("netns", "delete", network.name)
            for link in (network.main, network.redis):
                with contextlib.suppress(OSError):
                    await link.remove_address()

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """The command that runs another command in the namespace."""
        return ("ip", "netns", "exec", self.name)

    async def cut(self) -> None:
        """Cut the other host off."""
        await self.cut_livekit()
        await self.redis.cut()

    async def cut_livekit(self) -> None:
        """Cut the other host off from everything but Redis."""
        await self.main.cut()

    async def restore(self) -> None:
        """Connect the other host again."""
        await self.main.restore()
        await self.redis.restore()


@asynccontextmanager
async def two_hosts(binaries: Binaries, directory: Path) -> AsyncIterator[ChaosInstallation]:
    """Start an installation with a worker on this machine and one on another host. Raises NotPermitted."""
    near = WorkerSpec("near", ("premium",), slots=SLOTS)
    async with (
        Network.create() as network,
        start_installation(binaries, directory, [near], host=network.main.address) as installation,
        _relay(installation.stack.redis_url, network.redis.address) as redis_url,
    ):
        installation.network = network
        far = WorkerSpec(
            FAR,
            ("premium",),
            slots=SLOTS,
            env={"REDIS_URL": redis_url},
            command_prefix=network.command_prefix,
        )
        await installation.stack.add_worker(far)
        yield installation


@asynccontextmanager
async def _relay(url: str, address: str) -> AsyncIterator[str]:
    """Relay TCP connections from an address of this machine to a Redis, and return its URL there."""
    target = urlsplit(url)
    port = PortPicker().pick()
    relaying: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while received := await reader.read(65536):
                writer.write(received)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relaying.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                redis_reader, redis_writer = await asyncio.open_connection(target.hostname, target.port)
                await asyncio.gather(pump(reader, redis_writer), pump(redis_reader, writer))
        finally:
            writer.close()
            relaying.discard(task)

    server = await asyncio.start_server(relay, address, port)
    try:
        yield url.replace(f"{target.hostname}:{target.port}", f"{address}:{port}")
    finally:
        server.close()
        for task in list(relaying):
            task.cancel()
        if relaying:
            await asyncio.wait(relaying)


async def _ip(*arguments: str) -> None:
    """Run `ip`. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, output = await process.communicate()
    if process.returncode:
        msg = f"ip {' '.join(arguments)}: {output.decode(errors='replace').strip()}"
        raise OSError(msg)
