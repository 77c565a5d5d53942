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


class Relay:
    """A relay of TCP connections from an address of this machine to a Redis."""

    def __init__(self, address: str) -> None:
        self._address, self._port = address, PortPicker().pick()
        self._target = ("", 0)
        self._relaying: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def listen(cls, address: str) -> AsyncIterator[Self]:
        """Listen on the address."""
        relay = cls(address)
        server = await asyncio.start_server(relay._relay, relay._address, relay._port)
        try:
            yield relay
        finally:
            server.close()
            for task in relay._relaying:
                task.cancel()
            if relay._relaying:
                await asyncio.wait(relay._relaying)

    def to(self, url: str) -> str:
        """Relay to this Redis from now on, and return its URL here."""
        target = urlsplit(url)
        assert target.hostname is not None
        assert target.port is not None
        self._target = (target.hostname, target.port)
        return url.replace(f"{target.hostname}:{target.port}", f"{self._address}:{self._port}")

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relaying.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                redis_reader, redis_writer = await asyncio.open_connection(*self._target)
                await asyncio.gather(_pump(reader, redis_writer), _pump(redis_reader, writer))
        finally:
            writer.close()
            self._relaying.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while received := await reader.read(65536):
            writer.write(received)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()


@asynccontextmanager
async def two_hosts(binaries: Binaries, directory: Path) -> AsyncIterator[ChaosInstallation]:
    """Start an installation with a worker on this machine and one on another host. Raises NotPermitted."""
    near = WorkerSpec("near", ("premium",), slots=SLOTS)
    async with (
        Network.create() as network,
        # It has to be there until the far worker has stopped.
        Relay.listen(network.redis.address) as relay,
        start_installation(binaries, directory, [near], host=network.main.address) as installation,
    ):
        installation.network = network
        env = {"REDIS_URL": relay.to(installation.stack.redis_url)}
        far = WorkerSpec(FAR, ("premium",), slots=SLOTS, env=env, command_prefix=network.command_prefix)
        await installation.stack.add_worker(far)
        yield installation


async def _ip(*arguments: str) -> None:
    """Run `ip`. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, output = await process.communicate()
    if process.returncode:
        msg = f"ip {' '.join(arguments)}: {output.decode(errors='replace').strip()}"
        raise OSError(msg)
