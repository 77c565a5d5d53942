"""The cost of the reconciler's sweeps, each at its quietest and at its worst.

All rooms are of one tenant and one queue. At first half of them are queued and half running; later all but one are in
the waitlist. The LiveKit server API is a fake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from livekit.protocol import models

from tasks.reconcile.admission import AdmissionSweep
from tasks.reconcile.livekit_sync import LiveKitSync
from tasks.reconcile.rescuer import Rescuer, RescuerConfig
from tasks.reconcile.wait_notifier import WaitNotifier
from tasks.rooms import Limits, keys
from tasks.settings import LivekitSettings
from tasks.tenants import TenantReader
from tests.bench.scaling.cost import Cost, measure_once
from tests.bench.scaling.fixture import BACKGROUND_TIER, LONG_AGO_MS, Installation, for_each
from tests.support.fake_livekit_api import FakeLiveKitApi

TENANT = "load"
MAX_ATTEMPTS = 5
QUIET_SWEEPS = (
    "leases: none expired",
    "messages: none lost",
    "permits: all correct",
    "notifier: half of all rooms wait",
)
"""The sweeps of each tick, every second, with nothing to repair."""
LAST_MESSAGES = "messages: none lost, at the end of the queue"
QUIET_SYNC = "LiveKit: all rooms listed"
"""The sync with the LiveKit server, every three to four seconds, with nothing to repair."""


class Sweeps:
    """The sweeps of an installation with `count` rooms."""

    def __init__(self, installation: Installation, count: int) -> None:
        self._installation = installation
        self._rooms = installation.store
        self._rescuer = Rescuer(self._rooms, MAX_ATTEMPTS)
        self._sids = [f"RM_{number:012}" for number in range(count)]

    async def costs(self) -> list[Cost]:
        """Measure each sweep."""
        leases, messages, permits, notifier = QUIET_SWEEPS
        await self._fill()
        costs = [
            await self._cost(leases, self._rescuer.requeue_lost_calls()),
            await self._cost(messages, self._rescuer.requeue_lost_messages()),
            await self._cost(LAST_MESSAGES, await self._last_messages()),
            await self._sync(QUIET_SYNC, self._listed()),
            await self._cost(permits, self._permits()),
            await self._notifier(notifier),
        ]
        await self._backdate(keys.LEASES)
        costs.append(await self._cost("leases: all expired", self._rescuer.requeue_lost_calls()))
        await self._rooms.redis.delete(BACKGROUND_TIER)
        costs.append(await self._cost("messages: all lost", self._rescuer.requeue_lost_messages()))
        costs.append(await self._sync("LiveKit: no room listed", []))
        await self._empty()
        costs.append(await self._sync("LiveKit: all rooms listed, all lost in Redis", self._listed()))
        await self._fill_waitlist()
        costs.append(await self._cost("permits: all but one room wait", self._permits()))
        costs.append(await self._notifier("notifier: all but one room wait"))
        await self._rooms.redis.delete(keys.PERMITS)
        costs.append(await self._cost("permits: all lost", self._permits()))
        await self._end_all()
        costs.append(await self._sync("LiveKit: all rooms over, a caller in each", self._listed()))
        return costs

    async def _cost(self, name: str, sweep: Awaitable[object]) -> Cost:
        return await measure_once(name, self._installation.meter, sweep)

    async def _last_messages(self) -> Awaitable[object]:
        """Return the sweep of the last messages, after sweeps of all the others."""
        for _ in range(len(self._sids) // 2 // RescuerConfig().messages - 2):
            await self._rescuer.requeue_lost_messages()
        return self._rescuer.requeue_lost_messages()

    async def _sync(self, name: str, listed: Sequence[models.Room]) -> Cost:
        async with FakeLiveKitApi.serve(listed) as server:
            livekit = self._livekit_at(server)
            sync = LiveKitSync(self._rooms, self._installation.dispatcher, livekit, max_attempts=MAX_ATTEMPTS)
            return await self._cost(name, sync.sweep())

    def _livekit_at(self, server: FakeLiveKitApi) -> LivekitSettings:
        return self._installation.settings.livekit.model_copy(update={"url": server.url})

    async def _permits(self) -> None:
        tiers = self._installation.settings.tiers
        await AdmissionSweep(self._rooms, TenantReader(self._rooms.redis, tiers.names), tiers).sweep()

    async def _notifier(self, name: str) -> Cost:
        async with FakeLiveKitApi.serve(self._listed()) as server:
            notifier = WaitNotifier(self._rooms, self._livekit_at(server), self._installation.settings.tiers)
            # Only rooms that have waited for a second are notified.
            await asyncio.sleep(1)
            return await self._cost(name, notifier.sweep())

    async def _fill(self) -> None:
        await self._empty()
        running = self._sids[: len(self._sids) // 2]
        await for_each(running, self._open)
        await self._rooms.redis.delete(BACKGROUND_TIER)
        await for_each(running, self._installation.claim)
        await for_each(self._sids[len(running) :], self._open)
        for name in (keys.ROOMS, keys.QUEUED):
            await self._backdate(name)

    async def _fill_waitlist(self) -> None:
        await self._empty()
        await for_each(self._sids, lambda sid: self._installation.open(sid, TENANT, limits=Limits(unclaimed=1)))

    async def _end_all(self) -> None:
        await self._fill()
        await for_each(self._sids[len(self._sids) // 2 :], self._installation.claim)
        await for_each(self._sids, self._installation.end)

    async def _empty(self) -> None:
        await self._rooms.redis.flushall()
        await self._installation.declare({TENANT: BACKGROUND_TIER})

    async def _open(self, sid: str) -> None:
        await self._installation.open(sid, TENANT)

    async def _backdate(self, name: str) -> None:
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
