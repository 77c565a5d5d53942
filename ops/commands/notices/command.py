"""`switchboard notices`: the notices to tenants' backends. Each function returns the exit status."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from ops.commands import terminal
from ops.commands.running import exit_status
from tasks.background.notices import Backend, Notice, NoticeState, NoticeStore
from tasks.errors import SwitchboardError, UnknownTenant
from tasks.redis_client import connect
from tasks.settings import NoticeSettings, RedisSettings
from tasks.tenants.admin import TenantAdmin

POLL_SECONDS = 0.2
NOTHING_SENDS = (
    "no background worker has sent it within {seconds:g} s. Is one running? "
    "celery -A tasks.background worker -Q background"
)


class NoticeError(Exception):
    """Raised when a command cannot be carried out. The message is for the operator."""


def list_notices(
    tenant: str, *, state: str | None, sid: str | None, limit: int, before: str | None, as_json: bool
) -> int:
    """Print the newest notices of a tenant, the newest first."""
    return _run(_list(tenant, state=state, sid=sid, limit=limit, before=before, as_json=as_json))


def show(notice_id: str) -> int:
    """Print a notice with all its tries, as JSON."""
    return _run(_show(notice_id))


def resend(ids: Sequence[str], *, tenant: str | None, state: str) -> int:
    """Send notices again."""
    return _run(_resend(ids, tenant=tenant, state=state))


def test(tenant: str, *, seconds: float) -> int:
    """Send a test to a tenant's backend, and print its answer."""
    return _run(_test(tenant, seconds=seconds))


def backends(*, as_json: bool) -> int:
    """Print the backends of all tenants that have one."""
    return _run(_backends(as_json=as_json))


def _run(command: Coroutine[Any, Any, int]) -> int:
    return exit_status(command, NoticeError, SwitchboardError)


def _store(redis: Redis) -> NoticeStore:
    return NoticeStore(redis, NoticeSettings.read())


async def _list(
    tenant: str, *, state: str | None, sid: str | None, limit: int, before: str | None, as_json: bool
) -> int:
    states = tuple(NoticeState) if state is None else (NoticeState(state),)
    async with connect(RedisSettings.read()) as redis:
        found = await _store(redis).list_notices(tenant, limit=limit, before=before, states=states, sid=sid)
        if not found:
            await _require_backend(redis, tenant)
    if as_json:
        print(json.dumps([asdict(notice) for notice in found], ensure_ascii=False))
        return 0
    table = terminal.plain_table("id", "time", "type", "sid", "state", "tries", "last answer", "next try")
    for notice in found:
        last = notice.attempts[-1] if notice.attempts else None
        answer = "" if last is None else (last.problem or str(last.status))
        cells = (
            *(notice.id, _time(notice.occurred_ms), notice.type, notice.sid, notice.state.value),
            *(str(len(notice.attempts)), answer, _time(notice.next_ms)),
        )
        table.add_row(*terminal.cells(cells))
    terminal.console().print(table if found else "no notices")
    return 0


async def _show(notice_id: str) -> int:
    async with connect(RedisSettings.read()) as redis:
        notice = await _store(redis).get(notice_id)
    if notice is None:
        raise NoticeError(
            f"there is no notice {notice_id}; `switchboard notices list TENANT` shows those that are kept"
        )
    print(json.dumps(asdict(notice), indent=2, ensure_ascii=False))
    return 0


async def _resend(ids: Sequence[str], *, tenant: str | None, state: str) -> int:
    sent = 0
    async with connect(RedisSettings.read()) as redis:
        store = _store(redis)
        if tenant is not None:
            await _require_backend(redis, tenant)
            # The oldest last: each is put before the others of its call.
            found = await store.list_notices(tenant, limit=sys.maxsize, states=(NoticeState(state),))
            ids = [notice.id for notice in found if not notice.is_test]
        for notice_id in ids:
            if await store.resend(notice_id):
                sent += 1
            else:
                print(f"there is no notice {notice_id}", file=sys.stderr)
    print(f"{sent} to be sent again")
    return 0 if sent == len(ids) else 1


async def _test(tenant: str, *, seconds: float) -> int:
    until = time.monotonic() + seconds
    async with connect(RedisSettings.read()) as redis:
        store = _store(redis)
        await _require_backend(redis, tenant)
        (before,) = await store.backends([tenant])
        notice_id = await store.test(tenant)
        while (notice := await store.get(notice_id)) is None or notice.state is NoticeState.PENDING:
            if time.monotonic() > until:
                raise NoticeError(NOTHING_SENDS.format(seconds=seconds))
            await asyncio.sleep(POLL_SECONDS)
    _print_result(notice)
    if notice.state is not NoticeState.DELIVERED:
        return 1
    if before.disabled is not None:
        print("the backend is enabled again")
    return 0


def _print_result(notice: Notice) -> None:
    for attempt in notice.attempts:
        print(attempt.problem or f"delivered: {attempt.status}", f"after {attempt.latency_ms} ms")
        if attempt.answer:
            print(f"it answered: {attempt.answer}")


async def _backends(*, as_json: bool) -> int:
    async with connect(RedisSettings.read()) as redis:
        stored = await TenantAdmin(redis).read()
        tenants = [name for name, tenant in stored.items() if tenant.record.get("notices")]
        found = await _store(redis).backends(tenants)
    if as_json:
        print(json.dumps([asdict(backend) for backend in found], ensure_ascii=False))
        return 0
    table = terminal.plain_table("tenant", "state", "waiting", "dropped", "last delivered", "why")
    for backend in found:
        why = backend.disabled.reason if backend.disabled else ""
        cells = (backend.tenant, _state(backend), str(backend.pending), str(backend.dropped))
        table.add_row(*terminal.cells((*cells, _time(backend.delivered_ms), why)))
    terminal.console().print(table if found else "no tenant has a table [notices]")
    return 0


def _state(backend: Backend) -> str:
    if backend.disabled is not None:
        return f"disabled {_time(backend.disabled.since_ms)}"
    return f"fails since {_time(backend.failing_since_ms)}" if backend.failures else "well"


async def _require_backend(redis: Redis, tenant: str) -> None:
    stored = (await TenantAdmin(redis).read()).get(tenant)
    if stored is None:
        raise UnknownTenant(tenant=tenant)
    if not stored.record.get("notices"):
        raise NoticeError(f"tenant {tenant} has no backend; give it a table [tenants.{tenant}.notices], and apply")


def _time(ms: int | None) -> str:
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")[:19]
