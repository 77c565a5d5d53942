"""Dispatch: from a room that LiveKit has announced to a message in the queue of its tenant's tier."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self, TypeVar

from tasks.errors import NoTenant, SwitchboardError, UnknownTenant
from tasks.queue.message import call_message
from tasks.queue.routing import metadata_names_tenant, tenant_of
from tasks.redis_client import connect, within_deadline
from tasks.rooms import CloseResult, Limits, OpenResult, RoomStore
from tasks.settings import Settings
from tasks.tenants import Tenant, TenantReader

logger = logging.getLogger("switchboard.tasks.queue")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room as LiveKit has announced it. Times are in unix ms by the LiveKit server's clock, None where unknown.

    `joined_at_ms`: when the announced caller joined. If that was after the room's call had ended, the caller has come
    back, and is answered again.
    """

    sid: str
    name: str
    metadata: str = ""
    started_at_ms: int | None = None
    joined_at_ms: int | None = None


class DispatchResult(StrEnum):
    """The result of dispatching a room.

    QUEUED: its message is in its queue. WAITING: it waits for a permit, because its tenant or its tier is at its limit.
    KNOWN: it was dispatched before. DEAD: it cannot be answered; a dead letter has the reason. NO_TENANT: it names no
    tenant yet, and waits for one; a later event or the reconciler finds it.
    """

    QUEUED = "queued"
    WAITING = "waiting"
    KNOWN = "known"
    DEAD = "dead"
    NO_TENANT = "no tenant"


class Dispatching(Protocol):
    """Interface of the dispatcher, for the receiver and the reconciler; Dispatcher implements it.

    Each method returns or raises within a bounded time. After a SwitchboardError that is `retryable`, the same call may
    be repeated.
    """

    async def open(self, room: RoomInfo) -> DispatchResult:
        """Dispatch the room, once by its sid."""
        ...

    async def close(self, sid: str) -> CloseResult:
        """Record that LiveKit has closed the room."""
        ...

    async def tenant(self, tenant: str) -> Tenant:
        """Return the tenant with this id, as it is now."""
        ...

    async def tenant_by_number(self, number: str) -> Tenant:
        """Return the tenant that has this telephone number, in E.164."""
        ...

    async def ping(self) -> None:
        """Return if Redis answers."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class Dispatcher:
    """Dispatch of rooms. Every method raises RedisUnavailable within the deadline.

    A Redis that was only paused may still execute the action afterwards; repeating it then changes nothing.
    """

    def __init__(self, settings: Settings, rooms: RoomStore, tenants: TenantReader) -> None:
        self._settings = settings
        self._rooms = rooms
        self._tenants = tenants

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a dispatcher with its own connections to Redis; `aclose` closes them."""
        # The first message costs Celery 50 ms of preparation, which would be the first caller's.
        call_message(sid="", attempt=0, name="", tenant="", tier="", queue=settings.tiers.queue_names[0])
        redis = connect(settings.redis)
        tenants = TenantReader(redis, settings.tiers.names)
        return cls(settings, RoomStore(redis, lease_ms=settings.lease.ttl_ms), tenants)

    async def open(self, room: RoomInfo) -> DispatchResult:
        """Dispatch the room, in one Redis action that is idempotent by its sid."""
        return await self._within_deadline(self._dispatch(room, replay=False))

    async def replay(self, room: RoomInfo) -> DispatchResult:
        """Dispatch the room even if it is dead, because the cause may have been mended.

        Raises the SwitchboardError that still keeps it from being answered, such as UnknownTenant.
        """
        return await self._within_deadline(self._dispatch(room, replay=True))

    async def close(self, sid: str) -> CloseResult:
        """Record that the room has finished: cancel it if it is unclaimed, ask its call to end if that runs."""
        result = await self._within_deadline(self._rooms.close(sid))
        logger.info("room finished", extra={"sid": sid, "result": result})
        return result

    async def tenant(self, tenant: str) -> Tenant:
        """Return one tenant, as it is now. Raises UnknownTenant or TenantInvalid."""
        return await self._within_deadline(self._tenants.get(tenant))

    async def tenant_by_number(self, number: str) -> Tenant:
        """Return the tenant that has a number, in E.164. Raises UnknownNumber or TenantInvalid."""
        return await self._within_deadline(self._tenants.get_by_number(number))

    async def ping(self) -> None:
        """Return when Redis answers."""
        await self._within_deadline(self._rooms.ping())

    async def aclose(self) -> None:
        """Close the connection to Redis."""
        await self._rooms.redis.aclose()

    async def _dispatch(self, room: RoomInfo, *, replay: bool) -> DispatchResult:
        received_at_ms = time.time_ns() // 1_000_000
        try:
            tenant = await self._tenant_of(room)
        except SwitchboardError as error:
            if error.retryable or replay:
                raise
            if await self._may_get_tenant(room, error):
                return DispatchResult.NO_TENANT
            logger.warning("room cannot be answered", extra={"sid": room.sid, "reason": type(error).__name__})
            written = await self._rooms.dead_letter(room.sid, attempt=None, name=room.name, reason=str(error))
            return DispatchResult.DEAD if written else DispatchResult.KNOWN

        queue = self._settings.tiers.queues[tenant.tier]
        limits = Limits(
            tenant=tenant.max_calls,
            tier=self._settings.tiers.caps.get(tenant.tier),
            unclaimed=self._settings.tiers.queued_per_tenant,
        )

        async def open_as(attempt: int) -> OpenResult:
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

        opened = await open_as(1)
        if opened is OpenResult.STALE:
            known = await self._rooms.get(room.sid)
            opened = await open_as(known.attempt + 1 if known else 1)
        if opened not in {OpenResult.QUEUED, OpenResult.WAITING}:
            return DispatchResult.KNOWN
        result = DispatchResult(opened)
        fields = {"sid": room.sid, "tenant": tenant.id, "tier": tenant.tier, "queue": queue, "result": result}
        logger.info("room opened", extra=fields)
        return result

    async def _tenant_of(self, room: RoomInfo) -> Tenant:
        return await self._tenants.get(
            tenant_of(name=room.name, metadata=room.metadata, default=self._settings.tenants.default)
        )

    async def _may_get_tenant(self, room: RoomInfo, error: SwitchboardError) -> bool:
        """Return whether the room waits for a backend that sets its metadata just after somebody has created it."""
        if not isinstance(error, NoTenant | UnknownTenant) or metadata_names_tenant(room.metadata):
            return False
        waited_ms = await self._rooms.await_tenant(room.sid, room.name)
        return waited_ms is not None and waited_ms < self._settings.tenants.wait_seconds * 1000

    async def _within_deadline(self, action: Awaitable[T]) -> T:
        return await within_deadline(action, self._settings.redis.deadline_seconds)
