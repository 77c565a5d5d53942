"""The scheduler of a background worker: it makes notices of events, and sends those that are due to the queue.

Each background worker has one, and none leads: an event is taken by one of them, and a call has a lease while one of
its notices is on its way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from redis.exceptions import RedisError

from tasks.background.notices import keys
from tasks.background.notices.events import ATTEMPT, CALL, attempt_of, notice_of
from tasks.background.notices.notice import TEST, Delivery
from tasks.background.notices.store import Event, NoticeStore
from tasks.errors import TenantInvalid, UnknownTenant
from tasks.redis_client import LivenessKey, Outage
from tasks.settings import Settings
from tasks.settings.groups import BACKGROUND_QUEUE
from tasks.settings.process import process_name
from tasks.tenants import TenantReader
from tasks.tenants.notices_table import NoticesTable

TICK_MS, BUSY_MS = 1000, 50
"""The longest time between two looks at what is due, and the time while there is much."""
EVENTS = 100
"""Events that are read at once."""
SWEEP_SECONDS = 60.0
"""The time between two looks at disabled backends whose table may have changed."""
OUTAGE_SECONDS = 1.0

logger = logging.getLogger("switchboard.tasks.background")


class Scheduler:
    """The scheduler of one process.

    `publish`: sends deliveries to the queue. `mark`: called at each turn, for the health check.
    """

    def __init__(
        self,
        settings: Settings,
        store: NoticeStore,
        tenants: TenantReader,
        publish: Callable[[Sequence[Delivery]], Awaitable[None]],
        mark: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._tenants = tenants
        self._publish = publish
        self._mark = mark
        self._outage = Outage(settings.redis.server, logger)
        self._liveness = LivenessKey(store.redis, keys.SCHEDULER, process_name(), expire_ms=keys.SCHEDULER_MS)
        self._swept_at = float("-inf")
        self._stopped = False

    def stop(self) -> None:
        """Let `run` end after the turn that it is in.

        Not by a cancellation: redis-py waits with `asyncio.wait_for`, which in Python 3.11 swallows one that comes
        together with the answer.
        """
        self._stopped = True

    async def run(self) -> None:
        """Work until it is stopped. An outage of Redis is waited out."""
        wait_ms = 0
        while not self._stopped:
            self._mark()
            try:
                sent = await self.turn(wait_ms=wait_ms)
                self._outage.answered()
                wait_ms = BUSY_MS if sent else TICK_MS
            except (RedisError, OSError) as error:
                self._outage.failed(error)
                await asyncio.sleep(OUTAGE_SECONDS)
            except Exception:
                logger.exception("notices not scheduled")
                await asyncio.sleep(OUTAGE_SECONDS)

    async def turn(self, *, wait_ms: int = 0) -> int:
        """Make notices of new events, and send what is due to the queue. Returns how many deliveries that were."""
        await self._liveness.renew()
        for event in await self._store.read_events(EVENTS, wait_ms=wait_ms):
            await self._take(event)
        await self._sweep()
        # What waits in the queue is first come, first served: so few that no tenant is behind another's many.
        queued = int(await cast("Any", self._store.redis.llen(BACKGROUND_QUEUE)))
        free = self._settings.notices.threads - queued
        due = await self._store.take_due(free) if free > 0 else []
        if due:
            await self._publish(due)
        return len(due)

    async def _take(self, event: Event) -> None:
        entry, fields = event
        try:
            await self._make_notice(entry, fields)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            # One of another version, or of somebody else. It must not keep the later ones back.
            logger.warning("event not understood", extra={"entry": entry, "problem": type(error).__name__})
            await self._store.drop_event(entry)

    async def _make_notice(self, entry: str, fields: dict[str, str]) -> None:
        kind, tenant, sid = fields["kind"], fields["tenant"], fields.get("sid", "")
        if kind == ATTEMPT:
            await self._store.keep_attempt(entry, sid, attempt_of(entry, fields))
            return
        attempts = await self._store.attempts(sid) if kind == CALL else []
        notice = notice_of(entry, fields, attempts)
        if kind != TEST and not await self._is_wanted(tenant, notice.type):
            await self._store.drop_event(entry)
            return
        await self._store.add(
            entry, tenant=tenant, sid=sid, kind=notice.type, data=notice.data, occurred_ms=notice.occurred_ms
        )

    async def _is_wanted(self, tenant: str, kind: str) -> bool:
        try:
            table = (await self._tenants.get(tenant)).notices
        except UnknownTenant:
            return False
        except TenantInvalid:
            # It may be mended before the notice is given up.
            return True
        return table is not None and kind in table.events

    async def _sweep(self) -> None:
        """Enable the backends whose address has changed, and forget those that are none any more."""
        if time.monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = time.monotonic()
        for tenant, disabled in (await self._store.disabled()).items():
            table = await self._table(tenant)
            if table is None or table.url != disabled.url:
                await self._store.forget_backend(tenant)
                logger.info("backend is no longer disabled", extra={"tenant": tenant})

    async def _table(self, tenant: str) -> NoticesTable | None:
        try:
            return (await self._tenants.get(tenant)).notices
        except (UnknownTenant, TenantInvalid):
            return None
