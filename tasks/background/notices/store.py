"""The actions on notices, a method for each Lua script, and the reads that operators and the console need."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from tasks.background.notices import keys
from tasks.background.notices.notice import (
    TEST,
    Backend,
    Delivery,
    Disabled,
    Notice,
    NoticeState,
    TryResult,
)
from tasks.rooms.keys import NOTICE_EVENTS, NOTICE_EVENTS_LENGTH
from tasks.rooms.scripts import Script
from tasks.settings.process import now_ms

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.settings import NoticeSettings

Event = tuple[str, dict[str, str]]
"""An entry of the stream of events: id and fields."""

PACKAGE = str(__package__)
PAGE = 200
"""Notices that are read at once."""
TAKE_LEASE_MS = 60_000
"""The time that a delivery has to begin, in the queue and in a worker. After it, another one is sent in its place."""


class NoticeStore:
    """The notices in one Redis. The client must decode responses.

    Every method raises `redis.RedisError` or `OSError` when Redis is away; each may then be repeated.
    """

    def __init__(self, redis: Redis, settings: NoticeSettings) -> None:
        self.redis = redis
        self._settings = settings
        self._keep_attempt = self._script("keep_attempt")
        self._add_notice = self._script("add_notice")
        self._take_due = self._script("take_due")
        self._begin_try = self._script("begin_try")
        self._finish_try = self._script("finish_try")
        self._resend_notice = self._script("resend_notice")
        self._forget_backend = self._script("forget_backend")

    def _script(self, action: str) -> Script:
        return Script(self.redis, action, package=PACKAGE, fixed=keys.FIXED)

    # What background workers do.

    async def read_events(self, limit: int, *, wait_ms: int = 0) -> list[Event]:
        """Return the oldest events that no notice was made of. Without any, wait for one so long."""
        if not wait_ms:
            return cast("list[Event]", await self.redis.xrange(NOTICE_EVENTS, count=limit))
        read: Any = await self.redis.xread({NOTICE_EVENTS: "0-0"}, count=limit, block=wait_ms)
        return cast("list[Event]", read[0][1] if read else [])

    async def drop_event(self, event: str) -> None:
        """Remove an event that no notice is made of."""
        await self.redis.xdel(NOTICE_EVENTS, event)

    async def keep_attempt(self, event: str, sid: str, record: Mapping[str, Any]) -> None:
        """Keep the record of an attempt until its call is over, in the place of its event."""
        await self._keep_attempt(event=event, attempts_key=keys.attempts(sid), record=_json(record))

    async def attempts(self, sid: str) -> list[dict[str, Any]]:
        """Return the records of a call's attempts, in the order in which they ended."""
        kept: list[str] = await cast("Any", self.redis.lrange(keys.attempts(sid), 0, -1))
        return [json.loads(record) for record in kept]

    async def add(
        self, event: str, *, tenant: str, sid: str, kind: str, data: Mapping[str, Any], occurred_ms: int
    ) -> str | None:
        """Make a notice of an event, in its place. Returns its id, or None if too many wait or another has made it.

        The id follows from the event's, so that no two notices are of one event.
        """
        notice_id = f"msg_{event.replace('-', '_')}"
        added = await self._add_notice(
            event=event,
            id=notice_id,
            tenant=tenant,
            # A test waits for no call's notices.
            sid=sid or notice_id,
            attempts_key=keys.attempts(sid),
            type=kind,
            data=_json(data),
            occurred_ms=occurred_ms,
            urgent=kind == TEST,
            is_last="record" in data,
            per_tenant=self._settings.per_tenant,
            at_once=self._settings.at_once,
        )
        return notice_id if added == "added" else None

    async def take_due(self, limit: int) -> list[Delivery]:
        """Take notices that are to be sent now, each with a lease of its call for one try."""
        token = secrets.token_hex(8)
        taken = await self._take_due(token=token, most=limit, lease_ms=TAKE_LEASE_MS, at_once=self._settings.at_once)
        return [Delivery(str(tenant), str(sid), str(notice), token) for tenant, sid, notice in taken]

    async def begin(self, delivery: Delivery, *, lease_ms: int) -> Notice | None:
        """Begin a try, and have the lease for so long from now on. Returns None if it is stale."""
        fields: list[str] = await self._begin_try(
            notice_key=keys.notice(delivery.id),
            leases_key=keys.leases(delivery.tenant),
            sid=delivery.sid,
            token=delivery.token,
            lease_ms=lease_ms,
        )
        return Notice.read(dict(zip(fields[::2], fields[1::2], strict=True))) if fields else None

    async def finish(
        self,
        delivery: Delivery,
        result: str,
        *,
        attempt: TryResult | None = None,
        delay_ms: int | None = None,
        is_test: bool = False,
        disabled: Disabled | None = None,
    ) -> tuple[NoticeState | None, bool]:
        """Finish a try. `result`: see `lua/finish_try.lua`. `disabled`: kept if this disables the backend.

        Returns the notice's state, None if the try is stale, and whether it has disabled the backend.
        """
        state, disables = await self._finish_try(
            notice_key=keys.notice(delivery.id),
            leases_key=keys.leases(delivery.tenant),
            backend_key=keys.backend(delivery.tenant),
            tenant=delivery.tenant,
            sid=delivery.sid,
            id=delivery.id,
            token=delivery.token,
            result=result,
            attempt=attempt.to_json() if attempt else "",
            delay_ms=delay_ms,
            is_test=is_test,
            disable_ms=int(self._settings.disable_hours * 3_600_000),
            disabled=disabled.to_json() if disabled else "{}",
            at_once=self._settings.at_once,
        )
        return (None if state == "stale" else NoticeState(state)), disables == "1"

    async def forget_backend(self, tenant: str) -> bool:
        """Enable a backend. Returns False if it was not disabled."""
        return bool(await self._forget_backend(backend_key=keys.backend(tenant), tenant=tenant))

    # What operators and the console ask for.

    async def test(self, tenant: str) -> str:
        """Send a notice of type `test` to a tenant's backend, also if it is disabled. Returns the notice's id."""
        event = await cast("Any", self.redis.xadd)(
            NOTICE_EVENTS, {"kind": TEST, "tenant": tenant}, maxlen=NOTICE_EVENTS_LENGTH, approximate=True
        )
        return f"msg_{str(event).replace('-', '_')}"

    async def get(self, notice_id: str) -> Notice | None:
        """Return a notice, or None if it is not kept, or not yet made of its event."""
        return next(iter(await self._notices([notice_id])), None)

    async def list_notices(
        self,
        tenant: str,
        *,
        limit: int = 100,
        before: str | None = None,
        states: Sequence[NoticeState] = tuple(NoticeState),
        sid: str | None = None,
    ) -> list[Notice]:
        """List the newest notices of a tenant, the newest first; those that were made before the one with this id.

        `sid`: those of one call.
        """
        found: list[Notice] = []
        begin = 0
        if before is not None:
            rank = await cast("Any", self.redis.zrevrank(keys.log(tenant), before))
            begin = 0 if rank is None else int(rank) + 1
        while len(found) < limit:
            ids: Any = await self.redis.zrevrange(keys.log(tenant), begin, begin + PAGE - 1)
            page = [notice for notice in await self._notices(ids) if notice.state in states]
            found += [notice for notice in page if sid is None or notice.sid == sid]
            begin += PAGE
            if len(ids) < PAGE:
                break
        return found[:limit]

    async def resend(self, notice_id: str) -> bool:
        """Send a notice again, or now if it waits, also to a disabled backend. Returns False if it is not kept."""
        answer = await self._resend_notice(
            notice_key=keys.notice(notice_id), id=notice_id, at_once=self._settings.at_once
        )
        return str(answer) != "unknown"

    async def backends(self, tenants: Sequence[str]) -> list[Backend]:
        """Return the backends of these tenants, as they are now."""
        disabled: dict[str, str] = await cast("Any", self.redis.hgetall(keys.BACKENDS_DISABLED))
        async with self.redis.pipeline(transaction=False) as pipe:
            for tenant in tenants:
                pipe.hgetall(keys.backend(tenant))
                pipe.zcount(keys.log(tenant), now_ms() - keys.KEEP_MS, "+inf")
                pipe.zcard(keys.done(tenant))
            answers = await pipe.execute()
        parts = zip(tenants, answers[::3], answers[1::3], answers[2::3], strict=True)
        return [
            Backend.read(tenant, fields, max(0, kept - done), disabled.get(tenant))
            for tenant, fields, kept, done in parts
        ]

    async def disabled(self) -> dict[str, Disabled]:
        """Return the disabled backends by their tenants."""
        found: dict[str, str] = await cast("Any", self.redis.hgetall(keys.BACKENDS_DISABLED))
        return {tenant: Disabled.read(content) for tenant, content in sorted(found.items())}

    async def _notices(self, ids: Sequence[str]) -> list[Notice]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for notice_id in ids:
                pipe.hgetall(keys.notice(notice_id))
            answers: list[dict[str, str]] = await pipe.execute()
        # One that is too old for its hash may still be in the log.
        return [Notice.read(fields) for fields in answers if fields]


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
