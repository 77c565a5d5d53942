"""A Redis of its own, what a receiver and a child have to do with it, and the rooms that are open in it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from redis.asyncio import Redis

from ops.commands.tenants.plan import Plan
from ops.stack import Binaries, environment
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.queue.message import call_message
from tasks.rooms import Limits, RoomStore
from tasks.settings import Settings
from tasks.tenants.admin import Entry, Ledger
from tests.bench.scaling.meter import Meter

T = TypeVar("T")

LONG_AGO_MS = 1_700_000_000_000
TIER = "standard"
"""The tier, and the queue, of the rooms that are open besides; the calls that are measured have another one."""
CALLED = "premium"
EACH_STATE = 2
"""Of a tenant so many rooms run and so many are in the queue, which is all that it may have there by default."""
AT_ONCE = 30
NO_LIMITS = Limits()
HOUR_MS = 3_600_000
SECRET = "a-secret-that-is-long-enough-for-hs256"


@dataclass(frozen=True, slots=True)
class Filled:
    """Bytes that a room has in Redis, on average: in its queue, and with a call."""

    queued: float
    running: float


class Installation:
    """`settings` are a receiver's. The rooms of `store` have leases that last an hour."""

    def __init__(self, server: RedisServer, settings: Settings, dispatcher: Dispatcher, redis: Redis) -> None:
        self.server = server
        self.settings = settings
        self.dispatcher = dispatcher
        self.redis = redis
        self.store = RoomStore(redis, lease_ms=HOUR_MS)
        self.meter = Meter(redis)

    @classmethod
    @asynccontextmanager
    async def start(cls, binaries: Binaries) -> AsyncIterator[Self]:
        """One without rooms, in a folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="switchboard-growth-") as folder:
            server = RedisServer(
                Path(folder), environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick()
            )
            await server.start()
            env = _environment(server)
            settings = Settings.model_validate({name.lower(): value for name, value in env.items()})
            dispatcher = Dispatcher.from_settings(settings)
            try:
                async with server.client() as client:
                    yield cls(server, settings, dispatcher, client)
            finally:
                await dispatcher.aclose()
                await server.stop()

    @property
    def environment(self) -> Mapping[str, str]:
        """Of a process of this installation."""
        return environment.merged(environment.inherited(), _environment(self.server))

    async def fill(self, count: int) -> Filled:
        """So many rooms are open, and nothing else is there: half have a call, half are in the queue."""
        # Its scripts and its clients' buffers are no rooms.
        warm = [f"RM_warm{number}" for number in range(AT_ONCE)]
        await each(warm, lambda sid: self.open(sid, "tenant"))
        await each(warm, self.claim)
        await self.redis.flushall()
        tenants = [f"tenant-{number}" for number in range(-(-count // (2 * EACH_STATE)))]
        await self.declare(dict.fromkeys(tenants, TIER))
        before = await self.meter.memory()
        rooms = [(f"RM_{number:012}", tenants[number // (2 * EACH_STATE)]) for number in range(count)]
        running = [room for number, room in enumerate(rooms) if number % (2 * EACH_STATE) < EACH_STATE]
        await each(running, lambda room: self.open(*room))
        queued = await self.meter.memory()
        await self.redis.delete(TIER)
        await each(running, lambda room: self.claim(room[0]))
        claimed = await self.meter.memory()
        have_a_call = set(running)
        await each([room for room in rooms if room not in have_a_call], lambda room: self.open(*room))
        return Filled((queued - before) / len(running), (claimed - before) / len(running))

    async def declare(self, tiers: Mapping[str, str]) -> None:
        """These tenants, each with its tier, besides those that are there."""
        entries = {tenant: Entry({"tier": tier}) for tenant, tier in tiers.items()}
        await Ledger(self.redis).change(lambda before: Plan(before, entries))

    async def open(self, sid: str, tenant: str, tier: str = TIER, limits: Limits = NO_LIMITS) -> object:
        """As a receiver does, without asking for the tenant."""
        name = f"call-{tenant}-{sid}"
        return await self.store.open(
            sid=sid,
            name=name,
            tenant=tenant,
            tier=tier,
            queue=tier,
            message=call_message(sid=sid, attempt=1, name=name, tenant=tenant, tier=tier, queue=tier),
            started_at_ms=LONG_AGO_MS,
            received_at_ms=LONG_AGO_MS,
            limits=limits,
        )

    async def claim(self, sid: str) -> object:
        """As a worker's child does."""
        return await self.store.claim(sid, 1, claimant=sid, worker="celery@host", pid=os.getpid())

    async def end(self, sid: str) -> object:
        """As a worker's child does."""
        return await self.store.end(sid, 1, outcome="ended by the agent or the room", usage="[]")


async def each(items: Sequence[T], action: Callable[[T], Awaitable[object]]) -> None:
    """Do it for each, some of them at once."""
    for first in range(0, len(items), AT_ONCE):
        await asyncio.gather(*(action(item) for item in items[first : first + AT_ONCE]))


def _environment(server: RedisServer) -> dict[str, str]:
    return {
        "REDIS_URL": server.url,
        # Nobody is there: a call that a worker takes all the same ends at once.
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": SECRET,
    }
