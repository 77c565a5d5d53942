"""Dispatch: from a room that LiveKit has announced to a message in the queue of its tenant's tier."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self, TypeVar

from tasks import tracing
from tasks.encryption import Encryption, agent_metadata_owner
from tasks.errors import NoTenant, RedisUnavailable, SwitchboardError, UnknownNumber, UnknownTenantInName
from tasks.queue.explicit_dispatch import ExplicitDispatch, ExplicitDispatches
from tasks.queue.message import call_message
from tasks.queue.routing import RoomMetadata, is_left_to_others, is_named_by_a_rule, tenants_in_name
from tasks.redis_client import Outage, connect, within_deadline
from tasks.rooms import CloseResult, Limits, OpenResult, RoomStore, save_trace
from tasks.rooms.numbers import CallerNumbers
from tasks.rooms.webhook_check import WebhookCheck
from tasks.settings import Settings
from tasks.settings.process import now_ms, process_name
from tasks.tenants import Tenant, TenantReader

logger = logging.getLogger("switchboard.tasks.queue")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room as LiveKit has announced it. Times are in unix ms by the LiveKit server's clock, None where unknown.

    `joined_at_ms`: when the announced caller joined. If that was after the room's call had ended, the caller has come
    back, and is answered again. `called_number`: the number that the caller has called, in E.164: see
    `routing.called_number`. `caller_number`: the caller's own, or "". `requested`: a receiver has created the room, so
    it is for an agent of ours.
    """

    sid: str
    name: str
    metadata: str = ""
    started_at_ms: int | None = None
    joined_at_ms: int | None = None
    called_number: str | None = None
    caller_number: str = field(default="", repr=False)
    requested: bool = False


class DispatchResult(StrEnum):
    """The result of dispatching a room.

    QUEUED: its message is in its queue. WAITING: it waits for a permit, because its tenant or its tier is at its limit.
    BUSY: it was refused, because its tenant has as many waiting rooms as it may have.
    KNOWN: it was dispatched before. DEAD: it cannot be answered; a dead letter has the reason.
    LEFT: it is none of ours: it has opted out, or asks for the agent of another worker.
    NO_TENANT_YET: its metadata, or the caller whose number was called, may still come. A later event or the reconciler
    finds it.
    """

    QUEUED = "queued"
    WAITING = "waiting"
    BUSY = "busy"
    KNOWN = "known"
    DEAD = "dead"
    LEFT = "left"
    NO_TENANT_YET = "no tenant yet"


class Dispatching(Protocol):
    """Interface of the dispatcher, for the receiver and the reconciler; Dispatcher implements it.

    Each method returns or raises within a bounded time. After a SwitchboardError that is `retryable`, the same call may
    be repeated.
    """

    async def open(self, room: RoomInfo) -> DispatchResult:
        """Dispatch the room, once by its sid."""
        ...

    def is_left(self, *, name: str, metadata: str) -> bool:
        """Return whether a room with this name and metadata is none of ours. Asks nobody."""
        ...

    async def save_trace(self, name: str) -> None:
        """Save the current trace for a room that is about to be created with this name, if there is one."""
        ...

    async def save_agent_metadata(self, name: str, metadata: str) -> None:
        """Save metadata for the agent of a room that is about to be created with this name."""
        ...

    async def close(self, sid: str) -> CloseResult:
        """Record that LiveKit has closed the room."""
        ...

    async def note_webhook(self, room: str, event: str) -> None:
        """Note that a webhook of a room of `switchboard doctor` has arrived."""
        ...

    async def tenant(self, tenant: str) -> Tenant:
        """Return the tenant with this id, as it is now."""
        ...

    async def tenant_by_number(self, number: str) -> Tenant:
        """Return the tenant that has this telephone number, in E.164."""
        ...

    async def ping(self) -> None:
        """Return if Redis takes a write."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class Dispatcher:
    """Dispatch of rooms. Every method raises RedisUnavailable within the deadline.

    A Redis that was only paused may still execute the action afterwards; repeating it then changes nothing.
    """

    def __init__(
        self,
        settings: Settings,
        rooms: RoomStore,
        tenants: TenantReader,
        explicit: ExplicitDispatches,
        *,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self._settings = settings
        self._observe = observe
        self._rooms = rooms
        self._tenants = tenants
        self._outage = Outage(settings.redis.server, logger)
        self._explicit = explicit
        self._numbers = CallerNumbers(rooms.redis)
        self._encryption = Encryption.of_agent_metadata(settings)

    @classmethod
    def from_settings(cls, settings: Settings, *, observe: Callable[[float], None] | None = None) -> Self:
        """Return a dispatcher with its own connections, which `aclose` closes. Call it inside an event loop.

        `observe`: called with the seconds that each action has taken in Redis, all its requests together.
        """
        # The first message costs Celery 50 ms of preparation, which would be the first caller's.
        call_message(sid="", attempt=0, name="", tenant="", tier="", queue=settings.tiers.queue_names[0])
        redis = connect(settings.redis)
        tenants = TenantReader(redis, settings.tiers.names)
        explicit = ExplicitDispatches.from_settings(settings)
        rooms = RoomStore(redis, lease_ms=settings.lease.ttl_ms)
        return cls(settings, rooms, tenants, explicit, observe=observe)

    async def open(self, room: RoomInfo) -> DispatchResult:
        """Dispatch the room, in one Redis action that is idempotent by its sid."""
        received_at_ms = now_ms()
        if self.is_left(name=room.name, metadata=room.metadata):
            return DispatchResult.LEFT
        if room.joined_at_ms is not None and await self._is_open(room.sid):
            # One request to Redis, in place of one to it and one to LiveKit for each caller who joins.
            if room.caller_number:
                await self._written(self._numbers.save(room.sid, room.caller_number))
            return DispatchResult.KNOWN
        explicit = None if room.requested else await self._explicit.find(room.name)
        if explicit is not None and not explicit.is_ours:
            logger.info("room asks for another agent", extra={"sid": room.sid})
            return DispatchResult.LEFT
        return await self._written(self._dispatch(room, received_at_ms, replay=False, explicit=explicit))

    async def replay(self, room: RoomInfo) -> DispatchResult:
        """Dispatch the room even if it is dead, because the cause may have been mended.

        Raises the SwitchboardError that still keeps it from being answered, such as UnknownTenant.
        """
        return await self._written(self._dispatch(room, now_ms(), replay=True))

    def is_left(self, *, name: str, metadata: str) -> bool:
        """Return whether the room is none of ours, by its metadata, else by its name."""
        return is_left_to_others(name, RoomMetadata.parse(metadata), self._settings.receiver.ignored_rooms)

    async def save_trace(self, name: str) -> None:
        """Save the current trace for a room that is about to be created, if there is one.

        Before the room is created, because another receiver may get its webhook first.
        """
        if (parent := tracing.current()) is not None:
            tracing.keep_current()
            await self._within_deadline(save_trace(self._rooms.redis, name, str(parent)))

    async def save_agent_metadata(self, name: str, metadata: str) -> None:
        """Save metadata for the agent of a room that is about to be created, encrypted. LiveKit never has it.

        Before the room is created, because another receiver may get its webhook first.
        """
        await self._within_deadline(self._rooms.save_agent_metadata(name, self._encrypt(name, metadata)))

    async def close(self, sid: str) -> CloseResult:
        """Record that the room has finished: cancel it if it is unclaimed, ask its call to end if that runs."""
        result = await self._written(self._rooms.close(sid))
        logger.info("room finished", extra={"sid": sid, "result": result})
        return result

    async def note_webhook(self, room: str, event: str) -> None:
        """Note that a webhook of a room of `switchboard doctor`, with this name, has arrived here."""
        note = WebhookCheck(self._rooms.redis, room).note(event, receiver=process_name(), received_ms=now_ms())
        await self._within_deadline(note)

    async def tenant(self, tenant: str) -> Tenant:
        """Return one tenant, as it is now. Raises UnknownTenant or TenantInvalid."""
        return await self._within_deadline(self._tenants.get(tenant))

    async def tenant_by_number(self, number: str) -> Tenant:
        """Return the tenant that has a number, in E.164. Raises UnknownNumber or TenantInvalid."""
        return await self._within_deadline(self._tenants.get_by_number(number))

    async def ping(self) -> None:
        """Return when Redis has taken a write: a replica, or a Redis without memory, answers all the same."""
        await self._written(self._rooms.prove_write(), observed=False)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._rooms.redis.aclose()
        await self._explicit.aclose()

    async def _is_open(self, sid: str) -> bool:
        known = await self._within_deadline(self._rooms.look_up([sid]))
        return sid in known and known[sid].state.is_open

    async def _dispatch(
        self, room: RoomInfo, received_at_ms: int, *, replay: bool, explicit: ExplicitDispatch | None = None
    ) -> DispatchResult:
        with tracing.span("dispatch", "PRODUCER") as span:
            result = await self._open(room, received_at_ms, span, replay=replay, explicit=explicit)
            span.set(sid=room.sid, result=result)
            return result

    async def _open(
        self,
        room: RoomInfo,
        received_at_ms: int,
        span: tracing.OpenSpan,
        *,
        replay: bool,
        explicit: ExplicitDispatch | None,
    ) -> DispatchResult:
        tenant = await self._find_tenant(room, replay=replay)
        if isinstance(tenant, NoTenant | UnknownTenantInName):
            if await self._waits_for_tenant(room):
                logger.info("room has no tenant yet", extra={"sid": room.sid})
                return DispatchResult.NO_TENANT_YET
            tenant = await self._find_tenant(room, replay=replay, last=True)
        if isinstance(tenant, SwitchboardError):
            span.fail(type(tenant).__name__)
            return await self._refuse(room, tenant)
        agent_metadata = self._encrypt(room.name, explicit.metadata).decode() if explicit and explicit.metadata else ""
        queue = self._settings.tiers.queues[tenant.tier]
        span.set(tenant=tenant.id, tier=tenant.tier, queue=queue)
        trace = str(tracing.current() or "")
        limits = Limits(
            tenant=tenant.max_calls,
            tier=self._settings.tiers.caps.get(tenant.tier),
            unclaimed=self._settings.tiers.queued_per_tenant,
            waiting=self._settings.tiers.most_waiting(tenant.max_waiting),
        )

        async def open_as(attempt: int) -> OpenResult:
            ids: dict[str, Any] = {
                "sid": room.sid,
                "name": room.name,
                "tenant": tenant.id,
                "tier": tenant.tier,
                "queue": queue,
            }
            return await self._rooms.open(
                **ids,
                message=call_message(**ids, attempt=attempt, trace=trace),
                started_at_ms=room.started_at_ms,
                received_at_ms=received_at_ms,
                attempt=attempt,
                replay=replay,
                ended_before_ms=room.joined_at_ms,
                limits=limits,
                agent_metadata=agent_metadata,
                number=RoomMetadata.parse(room.metadata).number or room.caller_number,
                trace=trace,
                notices=tenant.notices is not None,
            )

        opened = await open_as(1)
        if opened is OpenResult.STALE:
            known = await self._rooms.get(room.sid)
            opened = await open_as(known.attempt + 1 if known else 1)
        if opened in {OpenResult.KNOWN, OpenResult.STALE}:
            return DispatchResult.KNOWN
        # Most webhooks are about rooms that have a trace already, or get it later.
        span.keep()
        result = DispatchResult(opened)
        fields = {"sid": room.sid, "tenant": tenant.id, "tier": tenant.tier, "queue": queue, "result": result}
        if opened is OpenResult.BUSY:
            logger.warning("room refused; its tenant has too many waiting rooms", extra=fields)
        else:
            logger.info("room opened", extra=fields)
        return result

    def _encrypt(self, name: str, metadata: str) -> bytes:
        return self._encryption.encrypt(agent_metadata_owner(name), metadata)

    async def _find_tenant(self, room: RoomInfo, *, replay: bool, last: bool = False) -> Tenant | SwitchboardError:
        """Return the tenant, or the error that no retry mends. Raises the others, and on a replay all.

        `last`: nothing more is to come that names one.
        """
        try:
            return await self._tenant_of(room, last=last or replay)
        except SwitchboardError as error:
            if error.retryable or replay:
                raise
            return error

    async def _waits_for_tenant(self, room: RoomInfo) -> bool:
        """Return whether the room may still get a tenant.

        A room that a join has created has no metadata until its backend sets it, and no webhook says so. Redis measures
        the wait, so that it survives this receiver, and the reconciler looks at the room until then.
        """
        waited_ms = await self._rooms.waitlist.await_tenant(room.sid, room.name, ended_before_ms=room.joined_at_ms)
        return waited_ms is not None and waited_ms < self._settings.tenants.wait_seconds * 1000

    async def _tenant_of(self, room: RoomInfo, *, last: bool) -> Tenant:
        metadata, default = RoomMetadata.parse(room.metadata), self._settings.tenants.default
        if metadata.tenant is not None:
            return await self._tenants.get(metadata.tenant)
        named = tenants_in_name(room.name)
        if tenant := await self._tenants.get_first(named):
            return tenant
        if room.called_number is not None:
            try:
                return await self._tenants.get_by_number(room.called_number)
            except UnknownNumber:
                if named or default is None:
                    raise
        if named:
            raise UnknownTenantInName(tenants=", ".join(map(repr, named)))
        # LiveKit announces a call's room before its caller, who has the number.
        number_may_come = room.called_number is None and is_named_by_a_rule(room.name) and not last
        if default is None or number_may_come:
            raise NoTenant(metadata=metadata.problem)
        return await self._tenants.get(default)

    async def _refuse(self, room: RoomInfo, error: SwitchboardError) -> DispatchResult:
        written = await self._rooms.dead_letter(
            room.sid, attempt=None, name=room.name, ended_before_ms=room.joined_at_ms, reason=str(error)
        )
        if not written:
            return DispatchResult.KNOWN
        logger.warning("room cannot be answered", extra={"sid": room.sid, "reason": type(error).__name__})
        return DispatchResult.DEAD

    async def _written(self, action: Awaitable[T], *, observed: bool = True) -> T:
        """Return the result of an action that writes, which ends an outage."""
        result = await self._within_deadline(action, observed=observed)
        self._outage.answered()
        return result

    async def _within_deadline(self, action: Awaitable[T], *, observed: bool = True) -> T:
        began = time.monotonic()
        try:
            return await within_deadline(action, self._settings.redis.deadline_seconds)
        except RedisUnavailable as error:
            self._outage.failed(error)
            raise
        finally:
            if observed and self._observe is not None:
                self._observe(time.monotonic() - began)
