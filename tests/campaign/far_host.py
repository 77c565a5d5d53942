"""Another host: a network namespace with a network link to Redis and one to the LiveKit server, cut each by itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from tests.chaos.network import Network, ip


class FarHost(Network):
    """The host. `redis_address`, `livekit_address`: this machine's addresses, as the host sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.redis_address = self.address
        subnet = self.address.rpartition(".")[0]
        self.livekit_address, self._own_address = f"{subnet}.101", f"{subnet}.102"
        self._near, self._far = f"{self.name}-c", f"{self.name}-d"

    @classmethod
    @asynccontextmanager
    async def create(cls) -> AsyncIterator[Self]:
        """Create the host and connect it. Raises NotPermitted."""
        async with super().create() as host:
            try:
                yield host
            finally:
                with contextlib.suppress(OSError):
                    await ip("address", "delete", f"{host.livekit_address}/32", "dev", "lo")

    async def cut_from_livekit(self) -> None:
        """Drop all packets between the host and the LiveKit server."""
        await ip("link", "set", self._near, "down")

    async def connect_to_livekit(self) -> None:
        """Undo `cut_from_livekit`."""
        await ip("link", "set", self._near, "up")
        await ip("route", "replace", self._own_address, "dev", self._near)

    async def _connect(self) -> None:
        await super()._connect()
        await ip("address", "add", f"{self.livekit_address}/32", "dev", "lo")
        await ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.name)
        await self.connect_to_livekit()
        in_namespace = ("-n", self.name)
        await ip(*in_namespace, "address", "add", f"{self._own_address}/32", "dev", self._far)
        await ip(*in_namespace, "link", "set", self._far, "up")
        await ip(*in_namespace, "route", "add", self.livekit_address, "dev", self._far)
