"""Notices and the backends that they go to: those that take them, and those that fail in every way."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import pytest

from tasks.background.notices import NoticeState, keys
from tasks.settings import Settings
from tests.integration.tasks.background.office import Office, settings_with
from tests.support.backend import (
    OTHER_SECRET,
    Backend,
    Behaviour,
    answer,
    backend,
    drip,
    hang,
    hang_in_body,
    reset,
    say_nonsense,
    send_a_gigabyte,
)
from tests.support.certificates import Authority
from tests.support.tenants import declare
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_notice_is_signed_with_each_secret_and_delivered_once(office: Office, acme: Backend) -> None:
    await office.declare("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", OTHER_SECRET, acme=acme.url)
    await office.event("started")
    await office.work_until(lambda: acme.received)
    await office.turn()
    (request,) = acme.received
    assert request.is_signed()
    assert request.is_signed(OTHER_SECRET)
    assert not request.is_signed("whsec_" + "A" * 32)
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    assert request.headers["content-type"] == "application/json"
    assert request.content["type"] == "call.started"
    assert request.content["timestamp"].endswith("Z")
    assert request.content["data"] == {
        "sid": "RM_1",
        "room": "call-acme-1",
        "tenant": "acme",
        "tier": "premium",
        "attempt": 1,
    }
    (notice,) = await office.notices()
    assert (notice.id, notice.state, notice.tries) == (request.id, NoticeState.DELIVERED, 0)
    (kept,) = notice.attempts
    assert (kept.status, kept.answer, kept.problem) == (200, "thanks", "")


@pytest.mark.parametrize(
    ("behaviour", "status", "problem"),
    [
        pytest.param(answer(500, "broken\x1b[2J\n here"), 500, "answered 500", id="500"),
        pytest.param(answer(404), 404, "answered 404", id="404"),
        pytest.param(answer(302, Location="http://127.0.0.1:1/"), 302, "redirects are not followed", id="redirects"),
        pytest.param(hang, None, "no answer within 0.5 s", id="hangs"),
        pytest.param(drip, None, "no answer within 0.5 s", id="drips"),
        pytest.param(reset, None, "connection was lost", id="resets"),
        pytest.param(say_nonsense, None, "not HTTP", id="no-http"),
        pytest.param(hang_in_body(503), 503, "answered 503", id="hangs-in-body"),
        pytest.param(send_a_gigabyte, 500, "answered 500", id="gigabyte"),
    ],
)
async def test_a_try_that_fails_is_kept_with_its_reason_and_made_again(
    office: Office, acme: Backend, behaviour: Behaviour, status: int | None, problem: str
) -> None:
    acme.behaviours = [behaviour]
    await office.event("started")
    began = time.monotonic()
    await office.work_until(lambda: len(acme.received) == 2)
    assert time.monotonic() - began < 5
    (notice,) = await office.notices()
    first, second = notice.attempts
    assert first.status == status
    assert problem in first.problem
    assert len(first.answer) <= 512
    assert first.answer.isprintable()
    assert (second.status, second.problem, notice.state) == (200, "", NoticeState.DELIVERED)
    one, two = acme.received
    assert one.id == two.id
    assert one.body == two.body
    assert two.is_signed()


async def test_a_backend_that_answers_200_and_then_hangs_has_taken_it(office: Office, acme: Backend) -> None:
    acme.behaviours = [hang_in_body(200)]
    await office.event("started")
    await office.work_until(lambda: acme.received)
    (notice,) = await office.notices()
    assert (notice.state, notice.attempts[0].answer) == (NoticeState.DELIVERED, "begun")


async def test_a_notice_is_given_up_after_eight_tries_and_the_next_of_its_call_goes_on(
    office: Office, acme: Backend, no_pauses: None
) -> None:
    acme.behaviours = [answer(500)] * 8
    await office.event("started")
    await office.event("waiting")
    await office.work_until(lambda: len(acme.received) == 9)
    assert acme.kinds == ["call.started"] * 8 + ["call.waiting"]
    started, waiting = await office.notices()
    assert (started.state, started.tries, len(started.attempts)) == (NoticeState.GIVEN_UP, 8, 8)
    assert (waiting.state, waiting.tries) == (NoticeState.DELIVERED, 0)


async def test_nobody_is_connected_to_within_the_network_unless_it_is_allowed(office: Office, acme: Backend) -> None:
    closed = settings_with(SWITCHBOARD_NOTICE_NETWORKS="10.9.0.0/16")
    async with Office.open(office.redis, closed) as strict:
        for address in (acme.url, acme.url.replace("127.0.0.1", "localhost"), acme.url.replace("127.0.0.1", "[::1]")):
            await strict.declare(acme=address)
            await strict.event("started", sid=address)

            async def all_tried() -> bool:
                await strict.turn()
                return all(notice.attempts for notice in await strict.notices())

            # The next try of another one may come first.
            await until(all_tried)
        for notice in await strict.notices():
            assert "SWITCHBOARD_NOTICE_NETWORKS" in notice.attempts[0].problem
            assert notice.state is NoticeState.PENDING
    assert acme.received == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(office: Office, tmp_path: Path) -> None:
    issued = Authority.create(tmp_path).issue("127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(issued.certificate, issued.key)
    async with backend(tls=tls) as serving:
        await office.declare(acme=serving.url)
        await office.event("started")
        await office.turn()
        (notice,) = await office.notices()
        assert notice.attempts[0].problem == "its certificate is not valid"
        assert serving.received == []


async def test_a_backend_that_hangs_delays_no_other(office: Office) -> None:
    async with backend() as slow, backend() as quick:
        slow.always = hang
        await office.declare(slow=slow.url, quick=quick.url)
        for number in range(20):
            await office.event("started", sid=f"RM_slow_{number}", tenant="slow")
        await office.event("started", sid="RM_quick", tenant="quick")
        await office.turn()
        assert len(quick.received) == 1
        assert slow.most_at_once == office.settings.notices.at_once
        # Three have failed: from now on one at a time, and not at once.
        seen = len(slow.received)
        await office.turn()
        assert len(slow.received) == seen
        (found,) = await office.store.backends(["slow"])
        assert found.paused_until_ms is not None
        assert (found.pending, found.failures) == (20, 4)


async def test_a_backend_that_was_away_gets_at_once_what_waits_when_it_takes_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(keys.FIXED, "revival_ms", 50)
    patient = settings_with(SWITCHBOARD_NOTICE_RETRY_SECONDS="3600,3600")
    async with backend() as serving, Office.open(office.redis, patient) as worker:
        await worker.declare(acme=serving.url)
        serving.always = answer(503)
        for sid in ("RM_1", "RM_2"):
            await worker.event("started", sid=sid)
            await worker.event("waiting", sid=sid)
        await worker.turn()
        assert len(serving.received) == 2
        await asyncio.sleep(0.06)
        # It is back; the next call finds out.
        serving.always = None
        await worker.event("started", sid="RM_3")
        await worker.work_until(lambda: len(serving.received) == 7)
        order = [(request.content["data"]["sid"], request.kind) for request in serving.received[2:]]
        assert order[0] == ("RM_3", "call.started")
        for sid in ("RM_1", "RM_2"):
            assert [kind for of, kind in order if of == sid] == ["call.started", "call.waiting"]


async def test_an_early_try_that_fails_uses_up_none(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(keys.FIXED, "revival_ms", 1)
    patient = settings_with(SWITCHBOARD_NOTICE_RETRY_SECONDS="3600")
    async with backend() as serving, Office.open(office.redis, patient) as worker:
        await worker.declare(acme=serving.url)
        serving.behaviours = [answer(500), answer(200), answer(500)]
        await worker.event("started", sid="RM_1")
        await worker.turn()
        due = (await worker.notices())[0].next_ms
        await asyncio.sleep(0.01)
        await worker.event("started", sid="RM_2")
        await worker.work_until(lambda: len(serving.received) == 3)
        first = (await worker.notices())[0]
        assert (len(first.attempts), first.tries, first.next_ms) == (2, 1, due)


async def test_a_backend_that_fails_for_days_is_disabled_and_enabled_by_a_test_that_it_takes(
    office: Office, acme: Backend, no_pauses: None
) -> None:
    hasty = settings_with(SWITCHBOARD_NOTICE_DISABLE_HOURS="0.00001")
    async with Office.open(office.redis, hasty) as worker:
        acme.always = answer(500)
        await worker.event("started")
        async with asyncio.timeout(20):
            while not await worker.store.disabled():
                await worker.turn()
        (found,) = await worker.store.backends(["acme"])
        assert found.disabled is not None
        assert "answered 500" in found.disabled.reason
        acme.always = None
        tried = len(acme.received)
        await worker.event("waiting")
        await worker.event("started", sid="RM_2")
        await asyncio.sleep(0.06)
        await worker.turn()
        assert len(acme.received) == tried
        test = await worker.store.test("acme")
        await worker.work_until(lambda: len(acme.received) == tried + 4)
        assert acme.received[tried].id == test
        assert acme.received[tried].kind == "test"
        assert sorted(acme.kinds[tried + 1 :]) == ["call.started", "call.started", "call.waiting"]
        (found,) = await worker.store.backends(["acme"])
        assert (found.disabled, found.pending, found.failures) == (None, 0, 0)


async def test_a_backend_that_answers_410_is_disabled_until_its_address_changes(office: Office, acme: Backend) -> None:
    acme.always = answer(410)
    await office.event("started")
    await office.work_until(lambda: acme.received)
    assert list(await office.store.disabled()) == ["acme"]
    async with backend() as other:
        await office.declare(acme=other.url)
        async with Office.open(office.redis) as next_worker:
            await next_worker.work_until(lambda: other.received)
    assert await office.store.disabled() == {}


async def test_a_test_that_fails_is_tried_once_and_says_nothing_about_the_backend(
    office: Office, acme: Backend
) -> None:
    acme.always = answer(500)
    test = await office.store.test("acme")
    await office.turn()
    await office.turn()
    notice = await office.store.get(test)
    assert notice is not None
    assert (notice.state, len(notice.attempts)) == (NoticeState.GIVEN_UP, 1)
    (found,) = await office.store.backends(["acme"])
    assert found.failures == 0


async def test_a_notice_that_was_delivered_can_be_sent_again(office: Office, acme: Backend) -> None:
    await office.event("started")
    await office.work_until(lambda: acme.received)
    (notice,) = await office.notices()
    assert await office.store.resend(notice.id)
    await office.work_until(lambda: len(acme.received) == 2)
    assert acme.received[0].id == acme.received[1].id
    assert not await office.store.resend("msg_unknown")


async def test_a_tenant_has_no_more_than_so_many_that_wait(office: Office, acme: Backend) -> None:
    few = settings_with(SWITCHBOARD_NOTICES_PER_TENANT="3", SWITCHBOARD_NOTICE_RETRY_SECONDS="3600")
    async with Office.open(office.redis, few) as worker:
        acme.always = answer(500)
        for number in range(5):
            await worker.event("started", sid=f"RM_{number}")
        await worker.turn()
        (found,) = await worker.store.backends(["acme"])
        assert (found.pending, found.dropped) == (3, 2)


async def test_a_notice_is_kept_until_its_tenant_can_be_read_here(office: Office, acme: Backend) -> None:
    other: Settings = settings_with(LIVEKIT_API_SECRET="another-secret-that-is-long-enough")
    await office.event("started")
    async with Office.open(office.redis, other) as wrong:
        await wrong.turn()
        test = await wrong.store.test("acme")
        await wrong.turn()
        told = await wrong.store.get(test)
    assert told is not None
    assert "is not signed with an encryption key" in told.attempts[0].problem
    notice = (await office.notices())[0]
    assert (notice.state, notice.tries, notice.attempts) == (NoticeState.PENDING, 0, ())
    assert notice.next_ms is not None
    assert acme.received == []


async def test_what_a_removed_tenant_has_waiting_is_given_up(office: Office, acme: Backend) -> None:
    acme.always = answer(500)
    await office.event("started")
    await office.turn()
    await declare(office.redis, '[tenants.other]\ntier = "premium"\n')
    await office.event("started", sid="RM_2")
    await asyncio.sleep(0.03)
    await office.turn()
    assert [notice.state for notice in await office.notices()] == [NoticeState.GIVEN_UP]
    assert await office.redis.xlen("switchboard:notice_events") == 0
