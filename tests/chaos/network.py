"""The network of another host: a network namespace, and a link from it to each server that can be cut.

Redis and livekit-server listen on addresses of this machine's loopback interface, which stay while a link is cut. The
packets of the other host are then dropped without an error.
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
from tests.support.light_worker import LIGHT

NEAR, FAR = "near", "far"


class NotPermitted(Exception):
    """This process may not create network namespaces: run it as root, on Linux, with iproute2."""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


class Link:
    """A link into the namespace. `address`: that of this machine, on its loopback interface."""

    def __init__(self, namespace: str, letter: str, address: str, far_address: str) -> None:
        self.address = address
        self.far_address = far_address
        self._namespace = namespace
        # The name of an interface has at most 15 characters.
        self._near_end, self._far_end = f"{namespace}-{letter}", f"{namespace}-{letter}f"

    async def connect(self) -> None:
        """Create the link."""
        in_namespace = ("-n", self._namespace)
        await _ip("address", "add", f"{self.address}/32", "dev", "lo")
        await _ip(
            "link", "add", self._near_end, "type", "veth", "peer", "name", self._far_end, "netns", self._namespace
        )
        await self.restore()
        await _ip(*in_namespace, "address", "add", f"{self.far_address}/32", "dev", self._far_end)
        await _ip(*in_namespace, "link", "set", self._far_end, "up")
        # No default route: name resolution fails at once, and does not wait for a name server.
        await _ip(*in_namespace, "route", "add", self.address, "dev", self._far_end, "src", self.far_address)

    async def remove_address(self) -> None:
        """Remove what deleting the namespace leaves of it."""
        with contextlib.suppress(OSError):
            await _ip("address", "delete", f"{self.address}/32", "dev", "lo")

    async def cut(self) -> None:
        """Cut the link."""
        await _ip("link", "set", self._near_end, "down")

    async def restore(self) -> None:
        """Restore the link."""
        await _ip("link", "set", self._near_end, "up")
        await _ip("route", "replace", self.far_address, "dev", self._near_end)


class Network:
    """The network namespace. `redis`, `livekit`: the link to each server, and its address there."""

    def __init__(self) -> None:
        self.name = f"chaos-{secrets.token_hex(3)}"
        # 198.18.0.0/15 is reserved for benchmarks of networks.
        subnet = f"198.18.{secrets.randbelow(256)}"
        self.redis = Link(self.name, "a", f"{subnet}.1", f"{subnet}.2")
        self.livekit = Link(self.name, "b", f"{subnet}.3", f"{subnet}.4")

    @classmethod
    @asynccontextmanager
    async def create(cls) -> AsyncIterator[Self]:
        """Create the namespace and connect it. Raises NotPermitted."""
        in_use = await _addresses()
        while (network := cls()).redis.address in in_use:
            pass
        try:
            await _ip("netns", "add", network.name)
        except OSError as error:
            raise NotPermitted from error
        links = (network.redis, network.livekit)
        try:
            await _ip("-n", network.name, "link", "set", "lo", "up")
            for link in links:
                await link.connect()
            await _ip("rule", "add", *network._detour)
            yield network
        finally:
            with contextlib.suppress(OSError):
                await _ip("rule", "delete", *network._detour)
            # Deleting the namespace deletes both ends of each link.
            with contextlib.suppress(OSError):
                await _ip("netns", "delete", network.name)
            for link in links:
                await link.remove_address()

    @property
    def _detour(self) -> tuple[str, ...]:
        """The rule that keeps the LiveKit server from sending over the other link, to that link's address."""
        return ("from", self.livekit.address, "to", self.redis.far_address, "blackhole")

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """The command that runs another command in the namespace."""
        return ("ip", "netns", "exec", self.name)

    async def cut(self) -> None:
        """Cut both links."""
        for link in (self.redis, self.livekit):
            await link.cut()

    async def restore(self) -> None:
        """Restore both links."""
        for link in (self.redis, self.livekit):
            await link.restore()


@asynccontextmanager
async def two_hosts(binaries: Binaries, directory: Path) -> AsyncIterator[ChaosInstallation]:
    """Start an installation with a worker on this machine and one on another host. Raises NotPermitted.

    They are for talkers, which use no provider.
    """
    async with Network.create() as network:
        workers = [
            WorkerSpec(NEAR, ("premium",), slots=SLOTS, env=LIGHT),
            WorkerSpec(FAR, ("premium",), slots=SLOTS, env=LIGHT, command_prefix=network.command_prefix),
        ]
        async with start_installation(
            binaries, directory, workers, host=network.redis.address, livekit_host=network.livekit.address
        ) as installation:
            installation.network = network
            yield installation


async def _addresses() -> set[str]:
    """Return the addresses of this machine's loopback interface: other networks may run beside this one."""
    listed = await _ip("-oneline", "address", "show", "dev", "lo")
    return {word.partition("/")[0] for word in listed.split()}


async def _ip(*arguments: str) -> str:
    """Run `ip`, and return what it prints. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, problem = await process.communicate()
    if process.returncode:
        msg = f"ip {' '.join(arguments)}: {problem.decode(errors='replace').strip()}"
        raise OSError(msg)
    return output.decode()
