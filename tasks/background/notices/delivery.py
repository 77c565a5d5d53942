"""One try of a notice: read it and its tenant, sign it, send it, and write down what came of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from tasks.background.notices import contents, schedule
from tasks.background.notices.contents import CallContents, ContentsNotReady, EndedCall
from tasks.background.notices.events import body_of
from tasks.background.notices.notice import Delivery, Disabled, Notice, NoticeState, TryResult
from tasks.background.notices.secrets import tenant_secrets
from tasks.background.notices.sender import Answer, Sender
from tasks.background.notices.signature import signature_headers
from tasks.background.notices.store import NoticeStore
from tasks.errors import SwitchboardError, UnknownTenant
from tasks.settings import Settings
from tasks.settings.process import now_ms
from tasks.tenants import TenantReader
from tasks.tenants.notices_table import NoticesTable

LEASE_MARGIN_SECONDS = 30.0
"""The lease is longer by this than the request may take: for the tenant, its contents, and a Redis that is away."""
UNREADABLE_SECONDS = 60.0
"""The time until a notice is tried again whose tenant cannot be read here: a fault of this installation."""
FINISH_SECONDS = 20.0
AGAIN_SECONDS = 1.0

logger = logging.getLogger("switchboard.tasks.background")


class Deliverer:
    """Sends notices. `source`: of transcripts and audio."""

    def __init__(
        self,
        settings: Settings,
        store: NoticeStore,
        tenants: TenantReader,
        sender: Sender,
        source: CallContents,
    ) -> None:
        self._settings = settings
        self._store = store
        self._tenants = tenants
        self._sender = sender
        self._source = source

    async def deliver(self, delivery: Delivery) -> str:
        """Make one try, unless it is stale. Returns the result in a word. Raises RedisError or OSError.

        What it could not write down is tried again when the lease has ended: a backend may get a notice twice.
        """
        lease_ms = round((self._settings.notices.timeout_seconds + LEASE_MARGIN_SECONDS) * 1000)
        notice = await self._store.begin(delivery, lease_ms=lease_ms)
        if notice is None:
            return "stale"
        try:
            return await self._try(delivery, notice)
        except (RedisError, OSError):
            raise
        except Exception as error:
            # One that always fails must not be tried for ever.
            logger.exception("notice not sent", extra=_fields(notice))
            failed = TryResult(now_ms(), 0, problem=f"a fault of Switchboard's: {type(error).__name__}")
            return await self._failed(delivery, notice, Answer(failed), url="")

    async def _try(self, delivery: Delivery, notice: Notice) -> str:
        try:
            tenant, encrypted = await self._tenants.get_with_keys(notice.tenant)
            table = tenant.notices
            if table is None or not (notice.is_test or notice.type in table.events):
                return await self._finish(delivery, "dropped")
            secrets = await tenant_secrets(tenant.id, table, encrypted, self._settings)
        except UnknownTenant:
            return await self._finish(delivery, "dropped")
        except SwitchboardError as error:
            return await self._unreadable(delivery, notice, error)
        try:
            more = await self._contents(notice, table)
        except ContentsNotReady:
            return await self._finish(delivery, "postponed", delay_ms=round(contents.AGAIN_SECONDS * 1000))
        body = body_of(notice, more)
        headers = signature_headers(notice.id, int(time.time()), body, secrets)
        answer = await self._sender.send(table.url, body.encode(), headers)
        if answer.is_delivered:
            logger.info("notice delivered", extra=_fields(notice) | _shown(answer.result))
            return await self._finish(delivery, "delivered", attempt=answer.result)
        logger.info("notice not delivered", extra=_fields(notice) | _shown(answer.result))
        return await self._failed(delivery, notice, answer, url=table.url)

    async def _failed(self, delivery: Delivery, notice: Notice, answer: Answer, *, url: str) -> str:
        tries = notice.tries + 1
        wish = answer.retry_after_seconds
        delay_ms = None if notice.is_test else schedule.delay_ms(self._settings.notices, tries, wish_seconds=wish)
        gone = answer.is_gone and not notice.is_test
        reason = answer.result.problem if gone else f"for days nothing but failures; the last: {answer.result.problem}"
        return await self._finish(
            delivery,
            "gone" if gone else "failed",
            attempt=answer.result,
            delay_ms=delay_ms,
            is_test=notice.is_test,
            disabled=Disabled(now_ms(), reason, url),
        )

    async def _unreadable(self, delivery: Delivery, notice: Notice, error: SwitchboardError) -> str:
        """Wait until the tenant can be read here; an operator who tests is told at once."""
        logger.error("notice not sent", extra=_fields(notice) | {"problem": str(error)})
        if notice.is_test:
            failed = TryResult(now_ms(), 0, problem=str(error))
            return await self._finish(delivery, "failed", attempt=failed, is_test=True)
        return await self._finish(delivery, "postponed", delay_ms=round(UNREADABLE_SECONDS * 1000))

    async def _contents(self, notice: Notice, table: NoticesTable) -> Mapping[str, Any]:
        """Return what the tenant wants to have beside the record. Raises ContentsNotReady while it may still come."""
        record = notice.data.get("record")
        if record is None or not table.include:
            return {}
        call = EndedCall(notice.tenant, notice.sid, int(record["steps"].get("opened", 0)), notice.occurred_ms)
        try:
            async with asyncio.timeout(contents.SECONDS):
                found = await self._source.read(call, table.include)
        except ContentsNotReady:
            if now_ms() - notice.occurred_ms < contents.WAIT_SECONDS * 1000:
                raise
            return {}
        except Exception as error:  # noqa: BLE001 - whatever a source may raise; the notice has its record
            problem = str(error) if isinstance(error, SwitchboardError) else type(error).__name__
            logger.warning("contents of a notice not there", extra=_fields(notice) | {"problem": problem})
            return {}
        return {name: found[name] for name in table.include if name in found}

    async def _finish(
        self,
        delivery: Delivery,
        result: str,
        *,
        attempt: TryResult | None = None,
        delay_ms: int | None = None,
        is_test: bool = False,
        disabled: Disabled | None = None,
    ) -> str:
        """Write down the result, and repeat that while Redis is away, within the lease."""
        until = time.monotonic() + FINISH_SECONDS
        while True:
            try:
                state, disables = await self._store.finish(
                    delivery, result, attempt=attempt, delay_ms=delay_ms, is_test=is_test, disabled=disabled
                )
            except (RedisError, OSError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if disables and disabled is not None:
                fields = {"tenant": delivery.tenant, "problem": disabled.reason}
                logger.error("backend disabled; it gets no more notices", extra=fields)
            if state is NoticeState.GIVEN_UP:
                logger.warning("notice given up", extra={"notice": delivery.id, "tenant": delivery.tenant})
            return "stale" if state is None else result


def _fields(notice: Notice) -> dict[str, str]:
    return {"notice": notice.id, "tenant": notice.tenant, "sid": notice.sid, "type": notice.type}


def _shown(result: TryResult) -> dict[str, object]:
    return {"status": result.status, "latency_ms": result.latency_ms, "problem": result.problem}
