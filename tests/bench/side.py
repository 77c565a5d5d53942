"""A side of the comparison: a livekit-server of its own, and a worker that answers its rooms."""

from __future__ import annotations

import asyncio
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from livekit import api

from ops.caller.caller import Caller, caller_token
from ops.stack.livekit import LiveKitServer
from tests.bench.processes import Tree
from tests.bench.providers import Providers, ProviderTables
from tests.support.waiting import until

QUIET_LOAD = 0.35
"""A load at which neither side refuses a call."""
QUIET_WAIT_SECONDS = 6.0
"""Limit for the load of the host to fall: on a shared machine it may never fall."""
SETTLED_WITHIN_SECONDS = 90.0
JOINED_SECONDS = 3.0
"""Time in which a job process that has begun to connect is in its room."""
POLL_SECONDS = 0.25
THRESHOLD = 0.7


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions of both sides. `load`: a file that both read instead of the CPU load, if not None.

    `shedding`: whether the sides refuse calls for their load. `providers`: of both.
    """

    load: Path | None = None
    shedding: bool = True
    providers: Providers = Providers.LOCAL


class Side(ABC):
    """A side. Callers connect to `livekit`."""

    name: str

    def __init__(self, livekit: LiveKitServer, server: api.LiveKitAPI, providers: ProviderTables) -> None:
        self.livekit = livekit
        self.server = server
        self._emulators = providers.emulators

    @property
    @abstractmethod
    def tree(self) -> Tree:
        """The worker's processes, the main process first."""

    @property
    def support(self) -> Tree:
        """The processes that only this side needs besides its worker."""
        return Tree([])

    @property
    def emulators(self) -> Tree:
        """The emulators of this side's providers, whose CPU no host of calls would pay."""
        return Tree([self._emulators.pid] if self._emulators else [])

    @abstractmethod
    async def load(self) -> float:
        """Return the load of the host, as the worker measures it."""

    @abstractmethod
    async def is_idle(self) -> bool:
        """Return whether there is no call, and all spare processes are ready."""

    @abstractmethod
    async def steps_ms(self, sid: str) -> dict[str, int]:
        """Return the times of a call's steps in unix ms; empty if this side does not record them."""

    def call_pids(self) -> set[int]:
        """Return the processes that are in a room now."""
        port = urlsplit(self.livekit.url).port
        assert port is not None
        return self.tree.connected_to(port) - {self.tree.main}

    @staticmethod
    def new_room(tenant: str = "bench") -> str:
        return f"call-{tenant}-{secrets.token_hex(6)}"

    async def make_room(self, name: str) -> None:
        """Create a room, as a backend does before its caller joins."""
        await self.server.room.create_room(api.CreateRoomRequest(name=name))

    async def delete_room(self, name: str) -> None:
        """Delete a room, as a backend does after the call. Otherwise the built-in side's agent stays for 20 s."""
        with suppress(api.TwirpError):
            await self.server.room.delete_room(api.DeleteRoomRequest(room=name))

    async def delete_rooms(self) -> None:
        """Delete all rooms, which ends the calls that are left."""
        for room in (await self.server.room.list_rooms(api.ListRoomsRequest())).rooms:
            await self.delete_room(room.name)

    @asynccontextmanager
    async def call(self, room: str | None = None, *, low_cpu: bool = False) -> AsyncIterator[Caller]:
        """Join a room as a caller, and delete it afterwards. Raises rtc.ConnectError."""
        name = room or self.new_room()
        token = caller_token(self.livekit.api_key, self.livekit.api_secret, room=name, identity="caller")
        try:
            async with Caller.call(self.livekit.url, token, low_cpu=low_cpu) as caller:
                yield caller
        finally:
            await self.delete_room(name)


async def wait_until_settled(sides: Iterable[Side]) -> None:
    """Wait until no side has a call, and then for a while until the host is quiet. Raises TimeoutError.

    So no side pays for the end of the other side's last call.
    """
    sides = list(sides)
    async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
        # A job process that joins a room just after its deletion creates it again, and once more if it is deleted while
        # the process is still connecting. So the next deletion waits until the process has joined.
        while not await _idle(sides):
            for side in sides:
                await side.delete_rooms()
            with suppress(TimeoutError):
                await until(lambda: _idle(sides), JOINED_SECONDS, every=POLL_SECONDS)
    with suppress(TimeoutError):
        await until(lambda: _quiet(sides), QUIET_WAIT_SECONDS, every=POLL_SECONDS)


async def _idle(sides: Iterable[Side]) -> bool:
    return all([await side.is_idle() for side in sides])


async def _quiet(sides: Iterable[Side]) -> bool:
    return all([await side.load() <= QUIET_LOAD for side in sides])


def threshold(conditions: Conditions, none: float) -> str:
    """Return the load threshold of a worker. `none`: the value that means no threshold."""
    return str(THRESHOLD if conditions.shedding else none)


def own_cpu_seconds() -> float:
    """Return the CPU time that this process, with all callers, has used."""
    times = os.times()
    return times.user + times.system
