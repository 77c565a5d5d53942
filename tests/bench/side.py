"""One of the two that are compared: a livekit-server of its own, and those who answer its rooms."""

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

from ops.caller.access import caller_token
from ops.caller.caller import Caller
from ops.stack.livekit import LiveKitServer
from tests.bench.processes import Tree
from tests.support.waiting import until

CALM_LOAD = 0.35
"""A load at which neither side refuses anything."""
CALM_SECONDS = 6.0
"""For so long the host's load is waited for: on a machine that others use it may never fall."""
OVER_SECONDS = 90.0
JOINED_SECONDS = 3.0
"""A job process that has begun to connect is in its room by then."""
LOOK_SECONDS = 0.25
THRESHOLD = 0.7


@dataclass(frozen=True, slots=True)
class Conditions:
    """What both sides are told. `load`: a file that both read in the place of the CPU load, if not None.

    `shedding` False: neither refuses a call for its load. `slots`: of our worker; its default if None.
    """

    load: Path | None = None
    shedding: bool = True
    slots: int | None = None


class Side(ABC):
    """Calls go to `livekit`. `tree`: the processes of the worker, the main one first."""

    name: str

    def __init__(self, livekit: LiveKitServer, server: api.LiveKitAPI) -> None:
        self.livekit = livekit
        self.server = server

    @property
    @abstractmethod
    def tree(self) -> Tree:
        """The worker's processes."""

    @property
    def beside(self) -> Tree:
        """What else this side needs, and the other one does not."""
        return Tree([])

    @abstractmethod
    async def load(self) -> float:
        """What the worker takes for the load of its host."""

    @abstractmethod
    async def is_idle(self) -> bool:
        """Whether it has no call, and all that it keeps for calls to come is there."""

    @abstractmethod
    async def steps_ms(self, sid: str) -> dict[str, int]:
        """When the call of a room reached which step, unix ms; nothing if nobody knows."""

    def call_pids(self) -> set[int]:
        """The processes that are in a room now."""
        port = urlsplit(self.livekit.url).port
        assert port is not None
        return self.tree.connected_to(port) - {self.tree.main}

    @staticmethod
    def new_room() -> str:
        return f"call-bench-{secrets.token_hex(6)}"

    async def make_room(self, name: str) -> None:
        """As a backend does before it lets the caller in."""
        await self.server.room.create_room(api.CreateRoomRequest(name=name))

    async def delete_room(self, name: str) -> None:
        """As a backend does when the call is over: without it the built-in one's agent stays for 20 s."""
        with suppress(api.TwirpError):
            await self.server.room.delete_room(api.DeleteRoomRequest(room=name))

    async def delete_rooms(self) -> None:
        """All that are there: whatever call is left is over."""
        for room in (await self.server.room.list_rooms(api.ListRoomsRequest())).rooms:
            await self.delete_room(room.name)

    @asynccontextmanager
    async def call(self, room: str | None = None, *, thrifty: bool = False) -> AsyncIterator[Caller]:
        """A caller in a room. Raises rtc.ConnectError."""
        name = room or self.new_room()
        token = caller_token(self.livekit.api_key, self.livekit.api_secret, room=name, identity="caller")
        try:
            async with Caller.call(self.livekit.url, token, thrifty=thrifty) as caller:
                yield caller
        finally:
            await self.delete_room(name)


async def calm(sides: Iterable[Side]) -> None:
    """Wait until no call is left on any side, and then for a while until the host is quiet. Raises TimeoutError.

    So no side pays for what the other one's last call has left to do.
    """
    sides = list(sides)
    async with asyncio.timeout(OVER_SECONDS):
        # A job process that joins a room just after it was deleted makes it anew, and once more if it is deleted while
        # that process is still connecting: so not before it is sure to be there.
        while not await _idle(sides):
            for side in sides:
                await side.delete_rooms()
            with suppress(TimeoutError):
                await until(lambda: _idle(sides), JOINED_SECONDS, every=LOOK_SECONDS)
    with suppress(TimeoutError):
        await until(lambda: _quiet(sides), CALM_SECONDS, every=LOOK_SECONDS)


async def _idle(sides: Iterable[Side]) -> bool:
    return all([await side.is_idle() for side in sides])


async def _quiet(sides: Iterable[Side]) -> bool:
    return all([await side.load() <= CALM_LOAD for side in sides])


def threshold(conditions: Conditions, lifted: float) -> str:
    """The load threshold of a worker under these conditions; `lifted`: what stands for none."""
    return str(THRESHOLD if conditions.shedding else lifted)


def own_cpu_seconds() -> float:
    """What this process, and so all callers, have used."""
    times = os.times()
    return times.user + times.system
