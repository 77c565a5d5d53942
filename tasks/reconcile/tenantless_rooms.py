"""Rooms that name no tenant yet.

A room that a join has created has no metadata; its backend sets it a moment later, and no webhook says so. The receiver
that was told of the room puts it down in Redis, and here it is looked at by its name several times a second, until it
names a tenant or its time for that is over. Then it is a dead letter, if a caller is in it; one that is empty is
forgotten, and the next caller's webhook puts it down again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from livekit.protocol import models

from tasks.livekit_api import LiveKitClient, LiveKitError, created_at_ms
from tasks.queue.dispatcher import Dispatching, DispatchResult, RoomInfo
from tasks.queue.routing import RoomMetadata, called_number
from tasks.reconcile.failures import Failures
from tasks.rooms import Repairs, RoomStore, SweepName, TenantlessRoom
from tasks.settings import LivekitSettings, TenantSettings

SWEEP = "tenantless rooms"

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class TenantlessConfig:
    """Pace and bounds of one sweep."""

    looked_at: int = 100
    """Most rooms that are looked at, those first that have waited longest."""
    every_seconds: float = 0.25
    """Time between two looks, each one request for all these rooms."""
    seconds: float = 0.8
    """Time after which a sweep ends. The next tick's goes on."""
    listed_ms: int = 10_000
    """A room that was put down more recently may be missing in the server's list."""
    longest_ms: int = 60_000
    """A room that has waited longer is forgotten, whatever keeps failing about it, so that it blocks no other."""


DEFAULTS = TenantlessConfig()


class TenantlessRooms:
    """Dispatches the rooms that wait for a tenant as soon as they name one."""

    def __init__(
        self,
        rooms: RoomStore,
        dispatcher: Dispatching,
        livekit: LivekitSettings,
        tenants: TenantSettings,
        config: TenantlessConfig = DEFAULTS,
        *,
        repairs: Repairs | None = None,
    ) -> None:
        self._repairs = Repairs() if repairs is None else repairs
        self._rooms = rooms
        self._dispatcher = dispatcher
        self._livekit = livekit
        self._wait_ms = tenants.wait_seconds * 1000
        self._config = config
        self._failures = Failures()

    async def sweep(self) -> None:
        """Look at the rooms until none waits or the sweep's time is over. Raises what Redis raises."""
        deadline = time.monotonic() + self._config.seconds
        waiting = await self._rooms.waitlist.list_tenantless(self._config.looked_at)
        if not waiting:
            return
        async with LiveKitClient.from_settings(self._livekit) as livekit:
            while waiting:
                try:
                    await self._look(livekit, waiting)
                except LiveKitError as error:
                    logger.warning("rooms without a tenant not looked at", extra={"problem": str(error)})
                    return
                if time.monotonic() > deadline:
                    return
                await asyncio.sleep(self._config.every_seconds)
                waiting = await self._rooms.waitlist.list_tenantless(self._config.looked_at)

    async def _look(self, livekit: LiveKitClient, waiting: list[TenantlessRoom]) -> None:
        listed = {room.sid: room for room in await livekit.list_rooms(*{room.name for room in waiting})}
        for room in waiting:
            settled = room.waited_ms > self._config.longest_ms
            with self._failures.of_room(SWEEP, room.sid):
                settled |= await self._is_settled(livekit, room, listed.get(room.sid))
            if settled:
                await self._rooms.waitlist.forget_tenantless(room)

    async def _is_settled(self, livekit: LiveKitClient, room: TenantlessRoom, listed: models.Room | None) -> bool:
        """Dispatch the room if it may have a tenant, or its time is over. Return whether it waits no longer."""
        if listed is None:
            return room.waited_ms > self._config.listed_ms
        number = None
        metadata = RoomMetadata.parse(listed.metadata)
        if metadata.tenant is None and metadata.answered is None:
            if room.waited_ms < self._wait_ms:
                return False
            callers = await livekit.list_callers(room.name)
            if not callers:
                return True
            number = next(filter(None, map(called_number, callers)), None)
        # It waits since a caller came back, if it was known before.
        info = RoomInfo(room.sid, room.name, listed.metadata, created_at_ms(listed), room.since_ms, number)
        result = await self._dispatcher.open(info)
        self._repairs[SweepName.TENANTLESS_ROOMS] += result in {DispatchResult.QUEUED, DispatchResult.WAITING}
        return result is not DispatchResult.NO_TENANT_YET
