"""An installation with a Redis of its own, filled with open rooms."""

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
from tasks.encryption import Encryption
from tasks.queue.dispatcher import Dispatcher
from tasks.queue.message import call_message
from tasks.rooms import Limits, RoomStore
from tasks.settings import Settings
from tasks.tenants.admin import StoredTenant, TenantAdmin
from tasks.tenants.record_signer import RecordSigner
from tests.bench.scaling.meter import Meter
from tests.support.waiting import until

T = TypeVar("T")

LONG_AGO_MS = 1_700_000_000_000
BACKGROUND_TIER = "standard"
"""Tier and queue of the rooms that fill Redis. The calls that are measured have another one."""
MEASURED_TIER = "premium"
ROOMS_PER_STATE = 2
"""Running rooms of a tenant, and queued ones: as many as its default limits allow."""
CONCURRENCY = 30
NO_LIMITS = Limits()
HOUR_MS = 3_600_000
REWRITTEN_SECONDS = 60.0
SECRET = "a-secret-that-is-long-enough-for-hs256"


@dataclass(frozen=True, slots=True)
class RoomSizes:
    """Mean bytes in Redis of a queued room and of a running one."""

    queued: float
    running: float


class Installation:
    """An installation without processes but Redis. `settings` are a receiver's; leases of `store` last an hour."""

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
        """Start an installation without rooms, in a temporary folder."""
        with tempfile.TemporaryDirectory(prefix="switchboard-scaling-") as folder:
            # Persistent as docs/howto/growing.md asks for it.
            server = RedisServer(
                Path(folder),
                environment.inherited(),
                binary=str(binaries.redis),
                port=PortPicker().pick(),
                append_only=True,
                sync="everysec",
            )
            await server.start()
            env = _environment(server)
            settings = Settings.read(env)
            dispatcher = Dispatcher.from_settings(settings)
            try:
                async with server.client() as client:
                    yield cls(server, settings, dispatcher, client)
            finally:
                await dispatcher.aclose()
                await server.stop()

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of a process of this installation."""
        return environment.merged(environment.inherited(), _environment(self.server))

    async def fill(self, count: int) -> RoomSizes:
        """Replace the content of Redis with `count` open rooms: half of them running, half queued."""
        # Loads the scripts and grows the clients' buffers first: their memory is not the rooms'.
        warm = [f"RM_warm{number}" for number in range(CONCURRENCY)]
        await for_each(warm, lambda sid: self.open(sid, "tenant"))
        await for_each(warm, self.claim)
        await self.redis.flushall()
        tenants = [f"tenant-{number}" for number in range(-(-count // (2 * ROOMS_PER_STATE)))]
        await self.declare(dict.fromkeys(tenants, BACKGROUND_TIER))
        before = await self.meter.memory()
        rooms = [(f"RM_{number:012}", tenants[number // (2 * ROOMS_PER_STATE)]) for number in range(count)]
        running = [room for number, room in enumerate(rooms) if number % (2 * ROOMS_PER_STATE) < ROOMS_PER_STATE]
        await for_each(running, lambda room: self.open(*room))
        queued = await self.meter.memory()
        await self.redis.delete(BACKGROUND_TIER)
        await for_each(running, lambda room: self.claim(room[0]))
        claimed = await self.meter.memory()
        is_running = set(running)
        await for_each([room for room in rooms if room not in is_running], lambda room: self.open(*room))
        return RoomSizes((queued - before) / len(running), (claimed - before) / len(running))

    async def file_is_rewritten(self) -> None:
        """Wait until Redis does not rewrite its append-only file, which it does when that has grown."""

        async def is_quiet() -> bool:
            persistence = await self.redis.info("persistence")
            return not (persistence["aof_rewrite_in_progress"] or persistence["aof_rewrite_scheduled"])

        await until(is_quiet, REWRITTEN_SECONDS)

    async def declare(self, tiers: Mapping[str, str]) -> None:
        """Add these tenants, each with its tier."""
        tenants = {tenant: StoredTenant({"tier": tier}) for tenant, tier in tiers.items()}
        admin = TenantAdmin(self.redis, RecordSigner(Encryption(self.settings)))
        await admin.change(lambda before: Plan(before, tenants))

    async def open(self, sid: str, tenant: str, tier: str = BACKGROUND_TIER, limits: Limits = NO_LIMITS) -> object:
        """Open a room, as a receiver does, without reading its tenant."""
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
        """Claim a room, as a child does."""
        return await self.store.claim(sid, 1, claimant=sid, worker="celery@host", pid=os.getpid())

    async def end(self, sid: str) -> object:
        """End a call, as a child does."""
        return await self.store.end(sid, 1, outcome="ended by the agent or the room")


async def for_each(items: Sequence[T], action: Callable[[T], Awaitable[object]]) -> None:
    """Run the action for each item, CONCURRENCY at a time."""
    for first in range(0, len(items), CONCURRENCY):
        await asyncio.gather(*(action(item) for item in items[first : first + CONCURRENCY]))


def _environment(server: RedisServer) -> dict[str, str]:
    return {
        "REDIS_URL": server.url,
        # Nothing listens there: a call that a worker takes ends at once.
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": SECRET,
    }
