"""Fill a Redis with open rooms and say what one tick of the reconciler costs.

    python -m ops.reconcile_load --rooms 10000

Half of the rooms wait, with their tasks in a queue; half run, with leases. Then all of them wait in one line. The
redis-server is one of its own, and the LiveKit server a stand-in. Wall time is how long a sweep took; what a receiver
feels is the longest time for which its event loop could not do anything else.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from livekit.protocol import models

from ops.room_listing import RoomListing
from ops.stack import Binaries, environment
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from ops.tenants.plan import Plan
from tasks.dispatch import Dispatcher
from tasks.messages import call_message
from tasks.reconcile.callers import CallersSweep
from tasks.reconcile.leases import sweep_leases
from tasks.reconcile.lost_tasks import sweep_tasks
from tasks.reconcile.places import PlacesSweep
from tasks.reconcile.server import sweep_server
from tasks.rooms import Limits, RoomStore, keys
from tasks.settings import Settings
from tasks.tenants import RedisTenants
from tasks.tenants.ledger import Entry, Ledger

BLOCK_MS = 100.0
LONG_AGO_MS = 1_700_000_000_000
TENANT, QUEUE = "load", "premium"
AT_ONCE = 30
NO_LIMITS = Limits()


@dataclass(frozen=True)
class Cost:
    """What a sweep cost, in ms."""

    sweep: str
    wall_ms: float
    longest_block_ms: float

    def __str__(self) -> str:
        return f"{self.sweep:<48}{self.wall_ms:>9.1f}{self.longest_block_ms:>9.1f}"


async def cost(sweep: str, action: Awaitable[object]) -> Cost:
    """Run the sweep beside a task that wants to run all the time, and see how long it had to wait at most.

    Its wait is counted in CPU time, so that it is the sweep's alone: nobody else's on this machine.
    """
    longest = 0.0

    async def want_to_run() -> None:
        nonlocal longest
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    watching = asyncio.create_task(want_to_run())
    await asyncio.sleep(0)
    began = time.perf_counter()
    await action
    wall = time.perf_counter() - began
    # A last block may have been at the sweep's end.
    await asyncio.sleep(0)
    watching.cancel()
    return Cost(sweep, wall * 1000, longest * 1000)


class Installation:
    """A receiver's half of an installation: its Redis, its dispatcher, and rooms."""

    def __init__(self, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore, count: int) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._rooms = rooms
        self._sids = [f"RM_{number:012}" for number in range(count)]

    @classmethod
    @asynccontextmanager
    async def start(cls, binaries: Binaries, count: int) -> AsyncIterator[Self]:
        """One with so many rooms, in a folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="switchboard-load-") as folder:
            directory = Path(folder)
            port = PortPicker().pick()
            redis = RedisServer(directory, environment.inherited(), binary=str(binaries.redis), port=port)
            await redis.start()
            given = {"redis_url": redis.url, "livekit_api_key": "key", "livekit_api_secret": "secret " * 6}
            settings = Settings.model_validate(given)
            dispatcher = Dispatcher.from_settings(settings)
            try:
                async with redis.client() as client:
                    yield cls(settings, dispatcher, RoomStore(client, lease_ms=3_600_000), count)
            finally:
                await dispatcher.aclose()
                await redis.stop()

    async def fill(self) -> None:
        """Redis has all the rooms, and nothing else: the first half runs, the other one waits."""
        await self._empty()
        running = self._sids[: len(self._sids) // 2]
        await self._each(running, self._open)
        await self._rooms.redis.delete(QUEUE)
        await self._each(running, self._claim)
        await self._each(self._sids[len(running) :], self._open)
        for name in (keys.ROOMS, keys.QUEUED):
            await self._long_ago(name)

    async def costs(self) -> list[Cost]:
        """Each sweep at its quietest and at its worst."""
        found = []
        await self.fill()
        found.append(await cost("leases: none has ended", sweep_leases(self._rooms, 5)))
        found.append(await cost("tasks: none is lost", sweep_tasks(self._rooms)))
        found.append(await self._server("server: all are listed", self._listed()))
        found.append(await cost("places: all are right", self._places()))
        found.append(await self._callers("callers: half of all wait, in the queue"))
        await self._long_ago(keys.LEASES)
        found.append(await cost("leases: all have ended", sweep_leases(self._rooms, 5)))
        await self._rooms.redis.delete(QUEUE)
        found.append(await cost("tasks: all are lost", sweep_tasks(self._rooms)))
        found.append(await self._server("server: none is listed", []))
        await self._empty()
        found.append(await self._server("server: all are listed, Redis has lost them", self._listed()))
        await self._in_line()
        found.append(await cost("places: all but one are in line", self._places()))
        found.append(await self._callers("callers: all but one are in line"))
        await self._rooms.redis.delete(keys.PLACES)
        found.append(await cost("places: all are lost", self._places()))
        await self._all_over()
        found.append(await self._server("server: all are over, and somebody is in each", self._listed()))
        return found

    async def _server(self, name: str, listed: Sequence[models.Room]) -> Cost:
        async with RoomListing.serve(listed) as server:
            settings = self._settings.model_copy(update={"livekit_url": server.url})
            return await cost(name, sweep_server(settings, self._rooms, self._dispatcher))

    async def _places(self) -> None:
        settings = self._settings
        tenants = RedisTenants(self._rooms.redis, frozenset(settings.tiers))
        await PlacesSweep(self._rooms, tenants, settings)()

    async def _callers(self, name: str) -> Cost:
        async with RoomListing.serve(self._listed()) as server:
            settings = self._settings.model_copy(update={"livekit_url": server.url})
            # They must have waited for a second before they are told.
            await asyncio.sleep(1)
            return await cost(name, CallersSweep(self._rooms, settings)())

    async def _in_line(self) -> None:
        await self._empty()
        await self._each(self._sids, lambda sid: self._open(sid, Limits(unclaimed=1)))

    def _listed(self) -> list[models.Room]:
        return [_as_listed(sid) for sid in self._sids]

    async def _empty(self) -> None:
        await self._rooms.redis.flushall()
        await Ledger(self._rooms.redis).change(lambda before: Plan(before, {TENANT: Entry({"tier": QUEUE})}))

    async def _all_over(self) -> None:
        await self.fill()
        await self._each(self._sids[len(self._sids) // 2 :], self._claim)
        await self._each(self._sids, self._end)

    async def _long_ago(self, name: str) -> None:
        sids = await self._rooms.redis.zrange(name, 0, -1)
        await self._rooms.redis.zadd(name, {str(sid): LONG_AGO_MS for sid in sids})

    async def _each(self, sids: Sequence[str], action: Callable[[str], Awaitable[object]]) -> None:
        for first in range(0, len(sids), AT_ONCE):
            await asyncio.gather(*(action(sid) for sid in sids[first : first + AT_ONCE]))

    async def _open(self, sid: str, limits: Limits = NO_LIMITS) -> object:
        name = f"call-{TENANT}-{sid}"
        return await self._rooms.open(
            sid=sid,
            name=name,
            tenant=TENANT,
            tier=QUEUE,
            queue=QUEUE,
            message=call_message(sid=sid, attempt=1, name=name, tenant=TENANT, tier=QUEUE, queue=QUEUE),
            started_at_ms=LONG_AGO_MS,
            received_at_ms=LONG_AGO_MS,
            limits=limits,
        )

    async def _claim(self, sid: str) -> object:
        return await self._rooms.claim(sid, 1, claimant=sid, worker="celery@host", pid=1)

    async def _end(self, sid: str) -> object:
        return await self._rooms.end(sid, 1, outcome="ended by the agent or the room", usage="[]")


def _as_listed(sid: str) -> models.Room:
    codecs = ("video/H264", "video/VP8", "video/VP9", "video/AV1", "video/H265", "video/rtx", "audio/opus", "audio/red")
    return models.Room(
        sid=sid,
        name=f"call-{TENANT}-{sid}",
        empty_timeout=300,
        departure_timeout=20,
        creation_time=LONG_AGO_MS // 1000,
        creation_time_ms=LONG_AGO_MS,
        turn_password="x" * 44,
        enabled_codecs=[models.Codec(mime=mime) for mime in codecs],
        metadata=f'{{"tenant_id": "{TENANT}", "caller": "+4930123456789"}}',
        num_participants=2,
        num_publishers=2,
    )


async def run(binaries: Binaries, count: int) -> list[Cost]:
    """Measure with so many rooms."""
    async with Installation.start(binaries, count) as installation:
        return await installation.costs()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the costs. Returns 1 if any sweep kept the event loop from everything else for too long."""
    # Thousands of rooms are lost here on purpose.
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(prog="python -m ops.reconcile_load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rooms", type=int, default=10_000, help="so many open rooms (%(default)s)")
    parser.add_argument("--block-ms", type=float, default=BLOCK_MS, help="the longest block that is good (%(default)s)")
    given = parser.parse_args(arguments)
    # As a receiver does when it starts; a whole collection would be counted for whichever sweep it falls into.
    gc.collect()
    gc.freeze()
    costs = asyncio.run(run(Binaries.find(livekit=False), given.rooms))
    print(f"{f'a sweep of {given.rooms} rooms':<48}{'wall ms':>9}{'block ms':>9}")
    for each in costs:
        print(each)
    return 0 if max(each.longest_block_ms for each in costs) <= given.block_ms else 1


if __name__ == "__main__":
    sys.exit(main())
