"""What one tick of the reconciler costs: each sweep at its quietest and at its worst.

All rooms are of one tenant and in one queue: half of them wait there, half run. Then all of them wait in one line. The
LiveKit server is a stand-in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from livekit.protocol import models

from tasks.reconcile.admission import PlacesSweep
from tasks.reconcile.leases import sweep_leases
from tasks.reconcile.livekit_sync import sweep_server
from tasks.reconcile.lost_tasks import BATCH, sweep_tasks
from tasks.reconcile.wait_notifier import CallersSweep
from tasks.rooms import Limits, keys
from tasks.tenants import RedisTenants
from tests.bench.scaling.cost import Cost, cost_of_one
from tests.bench.scaling.fixture import LONG_AGO_MS, TIER, Installation, each
from tests.support.fake_livekit_api import RoomListing

TENANT = "load"
MAX_ATTEMPTS = 5
QUIET = ("leases: none has ended", "tasks: none is lost", "places: all are right", "callers: half of all wait")
"""What a tick does where nothing is wrong, every second, but for the look at the LiveKit server."""
FAR = "tasks: none is lost, at the end of the queue"
SERVER_QUIET = "server: all are listed"
"""The same, every three to four seconds."""


class Sweeps:
    """With so many rooms."""

    def __init__(self, installation: Installation, count: int) -> None:
        self._installation = installation
        self._rooms = installation.store
        self._sids = [f"RM_{number:012}" for number in range(count)]

    async def costs(self) -> list[Cost]:
        """Of each sweep."""
        leases, tasks, places, callers = QUIET
        await self._fill()
        found = [
            await self._cost(leases, sweep_leases(self._rooms, MAX_ATTEMPTS)),
            await self._cost(tasks, sweep_tasks(self._rooms)),
            await self._cost(FAR, await self._last_look()),
            await self._server(SERVER_QUIET, self._listed()),
            await self._cost(places, self._places()),
            await self._callers(callers),
        ]
        await self._long_ago(keys.LEASES)
        found.append(await self._cost("leases: all have ended", sweep_leases(self._rooms, MAX_ATTEMPTS)))
        await self._rooms.redis.delete(TIER)
        found.append(await self._cost("tasks: all are lost", sweep_tasks(self._rooms)))
        found.append(await self._server("server: none is listed", []))
        await self._empty()
        found.append(await self._server("server: all are listed, Redis has lost them", self._listed()))
        await self._in_line()
        found.append(await self._cost("places: all but one are in line", self._places()))
        found.append(await self._callers("callers: all but one are in line"))
        await self._rooms.redis.delete(keys.PLACES)
        found.append(await self._cost("places: all are lost", self._places()))
        await self._all_over()
        found.append(await self._server("server: all are over, and somebody is in each", self._listed()))
        return found

    async def _cost(self, name: str, sweep: Awaitable[object]) -> Cost:
        return await cost_of_one(name, self._installation.meter, sweep)

    async def _last_look(self) -> Awaitable[object]:
        """A look at those who came last, which is due when all the others have been looked at."""
        for _ in range(len(self._sids) // 2 // BATCH - 2):
            await sweep_tasks(self._rooms)
        return sweep_tasks(self._rooms)

    async def _server(self, name: str, listed: Sequence[models.Room]) -> Cost:
        async with RoomListing.serve(listed) as server:
            settings = self._installation.settings.model_copy(update={"livekit_url": server.url})
            return await self._cost(name, sweep_server(settings, self._rooms, self._installation.dispatcher))

    async def _places(self) -> None:
        settings = self._installation.settings
        tenants = RedisTenants(self._rooms.redis, frozenset(settings.tiers))
        await PlacesSweep(self._rooms, tenants, settings)()

    async def _callers(self, name: str) -> Cost:
        async with RoomListing.serve(self._listed()) as server:
            settings = self._installation.settings.model_copy(update={"livekit_url": server.url})
            # They must have waited for a second before they are told.
            await asyncio.sleep(1)
            return await self._cost(name, CallersSweep(self._rooms, settings)())

    async def _fill(self) -> None:
        await self._empty()
        running = self._sids[: len(self._sids) // 2]
        await each(running, self._open)
        await self._rooms.redis.delete(TIER)
        await each(running, self._installation.claim)
        await each(self._sids[len(running) :], self._open)
        for name in (keys.ROOMS, keys.QUEUED):
            await self._long_ago(name)

    async def _in_line(self) -> None:
        await self._empty()
        await each(self._sids, lambda sid: self._installation.open(sid, TENANT, limits=Limits(unclaimed=1)))

    async def _all_over(self) -> None:
        await self._fill()
        await each(self._sids[len(self._sids) // 2 :], self._installation.claim)
        await each(self._sids, self._installation.end)

    async def _empty(self) -> None:
        await self._rooms.redis.flushall()
        await self._installation.declare({TENANT: TIER})

    async def _open(self, sid: str) -> None:
        await self._installation.open(sid, TENANT)

    async def _long_ago(self, name: str) -> None:
        sids = await self._rooms.redis.zrange(name, 0, -1)
        if sids:
            await self._rooms.redis.zadd(name, {str(sid): LONG_AGO_MS for sid in sids})

    def _listed(self) -> list[models.Room]:
        return [_as_listed(sid) for sid in self._sids]


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
