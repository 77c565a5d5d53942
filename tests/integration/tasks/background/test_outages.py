"""Backends that fail for hours, by the default times, a thousand times as fast: what is delivered when."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from ops.stack.ports import HOST, PortPicker
from tasks.background.notices import Notice, NoticeState, keys
from tasks.background.notices.store import NoticeStore
from tests.integration.tasks.background.office import Office, settings_with
from tests.support.backend import Backend, answer, backend, hang

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAST = 1000
"""A second of the test is so many of the backends'."""
TIMES = "0.005,0.06,0.6,3.6,10.8,28.8,43.2"
AWAY_SECONDS = 2 * 3600


def shown(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


async def test_what_is_delivered_when_by_backends_that_fail(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("longest_pause_ms", "revival_ms"):
        monkeypatch.setitem(keys.FIXED, name, int(keys.FIXED[name]) // FAST)
    fast = settings_with(SWITCHBOARD_NOTICE_RETRY_SECONDS=TIMES, SWITCHBOARD_NOTICE_TIMEOUT_SECONDS="0.2")
    port = PortPicker().pick()
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(Office.open(office.redis, fast))
        broken, hanging, redirecting = [await stack.enter_async_context(backend()) for _ in range(3)]
        broken.behaviours = [answer(500)] * 3
        hanging.behaviours = [hang] * 2
        redirecting.always = answer(302, Location="http://127.0.0.1:1/")
        urls = {"broken": broken.url, "hanging": hanging.url, "redirecting": redirecting.url}
        for tenant, url in {**urls, "away": f"http://{HOST}:{port}/"}.items():
            await worker.declare(more=None, **{tenant: url})
        over = asyncio.Event()
        working = asyncio.create_task(_work(worker, over))
        began_ms = time.time_ns() // 1_000_000
        for tenant in (*urls, "away"):
            await worker.event("started", sid=f"RM_{tenant}_1", tenant=tenant)
            await worker.event("waiting", sid=f"RM_{tenant}_1", tenant=tenant)
        await asyncio.sleep(AWAY_SECONDS / 2 / FAST)
        await worker.event("started", sid="RM_away_2", tenant="away")
        await asyncio.sleep(AWAY_SECONDS / 2 / FAST)
        back = await stack.enter_async_context(backend(port=port))
        # Half an hour later, a new call.
        await asyncio.sleep(AWAY_SECONDS / 4 / FAST)
        await worker.event("started", sid="RM_away_3", tenant="away")
        await _all_come(back, 4)
        over.set()
        await working
        lines = []
        found: dict[str, list[Notice]] = {}
        for tenant in (*urls, "away"):
            found[tenant] = (await NoticeStore(office.redis, fast.notices).list_notices(tenant))[::-1]
            for notice in found[tenant]:
                tries = ", ".join(
                    f"{shown((one.at_ms - began_ms) / 1000 * FAST)} {one.status or one.problem}"
                    for one in notice.attempts
                )
                lines.append(f"{tenant:12} {notice.sid:15} {notice.type:13} {notice.state:9} {tries}")
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert [notice.state for notice in found["broken"] + found["hanging"]] == [NoticeState.DELIVERED] * 4
    # On a busy machine a try more may be too late.
    assert [one.status for one in found["broken"][0].attempts].count(500) == 3
    assert [one.status for one in found["hanging"][0].attempts].count(None) >= 2
    # Nobody was at the address of the redirect, and the one behind it waits.
    assert all(one.problem.endswith("not followed") for one in found["redirecting"][0].attempts)
    assert not found["redirecting"][1].attempts
    assert [notice.state for notice in found["away"]] == [NoticeState.DELIVERED] * 4
    assert {request.content["data"]["sid"]: request.kind for request in back.received[::-1]} == {
        f"RM_away_{number}": "call.started" for number in (1, 2, 3)
    }


async def _work(worker: Office, over: asyncio.Event) -> None:
    running: set[asyncio.Task[str]] = set()
    while not over.is_set():
        await worker.scheduler.turn()
        running |= {asyncio.create_task(worker.deliverer.deliver(delivery)) for delivery in worker.sent}
        worker.sent.clear()
        await asyncio.sleep(0.005)


async def _all_come(serving: Backend, count: int) -> None:
    async with asyncio.timeout(30):
        while len(serving.received) < count:  # noqa: ASYNC110 - it is a server's list
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
