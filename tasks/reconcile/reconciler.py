"""One receiver's candidate for the lead, and its ticks."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

from redis.exceptions import RedisError

from tasks.errors import RedisUnavailable
from tasks.reconcile.admission import PlacesSweep
from tasks.reconcile.leases import sweep_leases
from tasks.reconcile.livekit_sync import Dispatches, sweep_server
from tasks.reconcile.lost_tasks import sweep_tasks
from tasks.reconcile.wait_notifier import CallersSweep
from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.tenants import RedisTenants

TICK_SECONDS = 1.0
TERM_MS = 3000
SERVER_SWEEP_SECONDS = 3.0
"""At least so long from one look at the LiveKit server to the next; with the next tick it is at most 4 s."""

logger = logging.getLogger("switchboard.tasks.reconcile")


class Reconciler:
    """Ticks until it is stopped, and sweeps while it leads.

    `server_sweep` compares with the LiveKit server, and says whether to do so again with the next tick. `line_sweeps`:
    what each tick does for those who wait.
    """

    def __init__(
        self,
        rooms: RoomStore,
        *,
        max_attempts: int,
        lease_ms: int,
        server_sweep: Callable[[], Awaitable[bool]],
        line_sweeps: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._rooms = rooms
        self._max_attempts = max_attempts
        self._lease_seconds = lease_ms / 1000
        self._server_sweep = server_sweep
        self._line_sweeps = line_sweeps
        # For operators, who want to know which process it is; the rest makes it unique.
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._stopping = asyncio.Event()
        self._answering_since = time.monotonic()
        # The first look is due: nobody may have been there to receive webhooks until now.
        self._server_swept = float("-inf")

    @classmethod
    def from_settings(cls, settings: Settings, dispatcher: Dispatches) -> Reconciler:
        """For this installation, with its own connection to Redis, which `aclose` closes."""
        rooms = RoomStore(connect(settings), lease_ms=settings.lease_ttl_ms)
        tenants = RedisTenants(rooms.redis, frozenset(settings.tiers))
        return cls(
            rooms,
            max_attempts=settings.max_attempts,
            lease_ms=settings.lease_ttl_ms,
            server_sweep=lambda: sweep_server(settings, rooms, dispatcher),
            line_sweeps=(PlacesSweep(rooms, tenants, settings), CallersSweep(rooms, settings)),
        )

    def stop(self) -> None:
        """Let `run` return after its tick."""
        self._stopping.set()

    async def run(self) -> None:
        """Tick until stopped. Redis being away is logged and waited out."""
        while not self._stopping.is_set():
            try:
                await self.tick()
            except (RedisError, RedisUnavailable, OSError) as error:
                self._answering_since = time.monotonic()
                logger.warning("not reconciled", extra={"error": type(error).__name__})
            except Exception:
                logger.exception("not reconciled")
            await self._pause()

    async def aclose(self) -> None:
        """Close the connection to Redis."""
        await self._rooms.redis.aclose()

    async def tick(self) -> int:
        """Reconcile once, if this one leads. Returns how many lost calls were queued again."""
        if not await self._rooms.keep_lead(self._name, TERM_MS):
            return 0
        requeued = 0
        if time.monotonic() - self._answering_since >= self._lease_seconds:
            requeued = await sweep_leases(self._rooms, self._max_attempts)
        await sweep_tasks(self._rooms)
        for sweep in self._line_sweeps:
            await sweep()
        if time.monotonic() - self._server_swept >= SERVER_SWEEP_SECONDS:
            self._server_swept = time.monotonic()
            if await self._server_sweep():
                self._server_swept = float("-inf")
        return requeued

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self._stopping.wait()
        except TimeoutError:
            return
