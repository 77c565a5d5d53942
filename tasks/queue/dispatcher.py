"""From a room that LiveKit announced to a task on the queue of its tenant's tier."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

from tasks.deadline import within_deadline
from tasks.errors import SwitchboardError
from tasks.queue.message import call_message
from tasks.queue.routing import tenant_of
from tasks.redis_client import connect
from tasks.rooms import Closed, Found, Limits, RoomStore
from tasks.settings import Settings
from tasks.tenants import RedisTenants, Tenant, TenantStore

logger = logging.getLogger("switchboard.tasks.dispatch")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoomSeen:
    """A room as LiveKit announced it, with unix ms by the LiveKit server's clock, as far as it said.

    `joined_at_ms`: when the caller joined whose joining was announced. If that was after the room's call had ended, the
    caller has come back, and is answered again.
    """

    sid: str
    name: str
    metadata: str = ""
    started_at_ms: int | None = None
    joined_at_ms: int | None = None


class Opened(StrEnum):
    """What became of a room that was seen. `dead`: a dead letter says why nobody can answer it.

    `waiting`: its tenant, or its tier, has as many calls as it may have.
    """

    QUEUED = "queued"
    WAITING = "waiting"
    KNOWN = "known"
    DEAD = "dead"


class Dispatcher:
    """Opens and closes rooms. Every method raises RedisUnavailable within the deadline.

    A Redis that was only paused may still do what it was asked; doing it again then changes nothing.
    """

    def __init__(self, settings: Settings, rooms: RoomStore, tenants: TenantStore) -> None:
        self._settings = settings
        self._rooms = rooms
        self._tenants = tenants

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A dispatcher with its own connections to Redis; `aclose` closes them."""
        # The first message costs Celery 50 ms of preparation, which would be the first caller's.
        call_message(sid="", attempt=0, name="", tenant="", tier="", queue=settings.queues[0])
        redis = connect(settings)
        tenants = RedisTenants(redis, frozenset(settings.tiers))
        return cls(settings, RoomStore(redis, lease_ms=settings.lease_ttl_ms), tenants)

    async def open(self, room: RoomSeen) -> Opened:
        """Make sure that the room is answered once: idempotent by its sid, in one Redis action."""
        return await self._within_deadline(self._dispatch(room, replay=False))

    async def replay(self, room: RoomSeen) -> Opened:
        """The same, also if the room is dead: what was wrong with it may have been mended.

        What is wrong still, such as UnknownTenant, is raised.
        """
        return await self._within_deadline(self._dispatch(room, replay=True))

    async def close(self, sid: str) -> Closed:
        """The room has finished: cancel the call if it waits, ask it to end if it runs."""
        closed = await self._within_deadline(self._rooms.close(sid))
        logger.info("room finished", extra={"sid": sid, "call": closed})
        return closed

    async def tenant(self, tenant: str) -> Tenant:
        """One tenant, as it is now. Raises UnknownTenant or TenantInvalid."""
        return await self._within_deadline(self._tenants.get(tenant))

    async def tenant_by_number(self, number: str) -> Tenant:
        """The tenant that is called by a number, in E.164. Raises UnknownNumber or TenantInvalid."""
        return await self._within_deadline(self._tenants.by_number(number))

    async def ping(self) -> None:
        """Return when Redis answers."""
        await self._within_deadline(self._rooms.ping())

    async def aclose(self) -> None:
        """Close the connection to Redis."""
        await self._rooms.redis.aclose()

    async def _dispatch(self, room: RoomSeen, *, replay: bool) -> Opened:
        received_at_ms = time.time_ns() // 1_000_000
        try:
            tenant = await self._tenant_of(room)
        except SwitchboardError as error:
            if error.retryable or replay:
                raise
            logger.warning("a room cannot be answered", extra={"sid": room.sid, "reason": type(error).__name__})
            buried = self._rooms.bury(room.sid, attempt=None, name=room.name, reason=str(error))
            return Opened.DEAD if await buried else Opened.KNOWN

        queue = self._settings.tiers[tenant.tier]
        limits = Limits(
            tenant=tenant.max_calls,
            tier=self._settings.tier_caps.get(tenant.tier),
            unclaimed=self._settings.queued_per_tenant,
        )

        async def opened(attempt: int) -> Found:
            ids = {"sid": room.sid, "name": room.name, "tenant": tenant.id, "tier": tenant.tier, "queue": queue}
            return await self._rooms.open(
                **ids,
                message=call_message(**ids, attempt=attempt),
                started_at_ms=room.started_at_ms,
                received_at_ms=received_at_ms,
                attempt=attempt,
                replay=replay,
                ended_before_ms=room.joined_at_ms,
                limits=limits,
            )

        found = await opened(1)
        if found is Found.AHEAD:
            known = await self._rooms.get(room.sid)
            found = await opened(known.attempt + 1 if known else 1)
        if found not in {Found.OPENED, Found.HELD}:
            return Opened.KNOWN
        opened_as = Opened.QUEUED if found is Found.OPENED else Opened.WAITING
        fields = {"sid": room.sid, "tenant": tenant.id, "tier": tenant.tier, "queue": queue, "state": opened_as}
        logger.info("call opened", extra=fields)
        return opened_as

    async def _tenant_of(self, room: RoomSeen) -> Tenant:
        return await self._tenants.get(
            tenant_of(name=room.name, metadata=room.metadata, default=self._settings.default_tenant)
        )

    async def _within_deadline(self, action: Awaitable[T]) -> T:
        return await within_deadline(action, self._settings.redis_deadline_seconds)
