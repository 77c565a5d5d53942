"""*Notices* on the console: the list with its tries, sending one again, and testing a backend."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.ops.console.pages.house import House
from tests.integration.tasks.background.office import Office, settings_with
from tests.support.backend import Backend, answer, backend
from tests.support.tenants import SECRET
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def acme() -> AsyncIterator[Backend]:
    async with backend() as serving:
        yield serving


@pytest_asyncio.fixture(loop_scope="module")
async def worker(house: House, acme: Backend) -> AsyncIterator[Office]:
    """A background worker, and the tenant acme with a backend."""
    async with Office.open(house.rooms.redis, settings_with(LIVEKIT_API_SECRET=SECRET)) as office:
        await office.declare(acme=acme.url)
        yield office


async def test_a_notice_is_listed_with_its_tries_and_sent_again(house: House, worker: Office, acme: Backend) -> None:
    acme.behaviours.append(answer(500, "<b>broken</b>"))
    await worker.event("started", "RM_told")
    await worker.work_until(lambda: len(acme.received) == 2)
    (notice,) = await worker.notices()
    async with house.visitor("bob") as bob:
        status, page = await bob.get("/notices", params={"tenant": "acme"})
        assert status == 200
        for text in (notice.id, "call.started", "RM_told", "delivered"):
            assert text in page
        status, page = await bob.get(f"/notices/{notice.id}")
        assert (status, "500" in page, "&lt;b&gt;broken" in page) == (200, True, True)
        assert (await bob.get(f"/notices/{notice.id}/resend"))[0] == 403
        assert (await bob.post(f"/notices/{notice.id}/resend"))[0] == 403
        assert notice.id not in (await bob.get("/notices", params={"tenant": "acme", "state": "given_up"}))[1]
        assert notice.id not in (await bob.get("/notices", params={"tenant": "acme", "call": "RM_other"}))[1]
        assert notice.id not in (await bob.get("/notices", params={"tenant": "bolt"}))[1]
    async with house.visitor("otto") as otto:
        assert (await otto.post(f"/notices/{notice.id}/resend", csrf="another"))[0] == 403
        assert (await otto.post(f"/notices/{notice.id}/resend", site="cross-site"))[0] == 403
        assert "Send call.started again?" in (await otto.get(f"/notices/{notice.id}/resend"))[1]
        assert (await otto.post(f"/notices/{notice.id}/resend"))[0] == 200
        await worker.work_until(lambda: len(acme.received) == 3)
        assert acme.received[2].id == notice.id
        assert "sent the notice again" in (await otto.get("/audit", params={"name": "otto"}))[1]


async def test_a_test_shows_the_answer_of_the_backend(house: House, worker: Office, acme: Backend) -> None:
    async with house.visitor("otto") as otto:
        assert "Test the backend of acme?" in (await otto.get("/notices/test", params={"tenant": "acme"}))[1]
        shown: list[tuple[int, str]] = []

        async def sent() -> bool:
            await worker.turn()
            return bool(shown)

        async def send() -> None:
            shown.append(await otto.post("/notices/test", tenant="acme"))

        await asyncio.gather(send(), until(sent))
        ((status, page),) = shown
        assert (status, "It was taken: 2" in page) == (200, True)
        assert acme.received[-1].kind == "test"
        assert "tested the backend" in (await otto.get("/audit", params={"name": "otto"}))[1]


async def test_backends_that_are_not_told_of_their_calls_come_first_and_say_since_when(
    house: House, worker: Office, acme: Backend
) -> None:
    async with backend() as gone, backend() as failing:
        gone.always, failing.always = answer(410), answer(503, "later")
        await worker.declare(acme=acme.url, bricks=gone.url, chimes=failing.url, drum=acme.url)
        for tenant in ("acme", "bricks", "chimes"):
            await worker.event("started", f"RM_of_{tenant}", tenant)
        await worker.work_until(lambda: gone.received and failing.received and acme.received)
        async with house.visitor("bob") as bob:
            status, page = await bob.get("/notices")
            shown = page.partition("<h2>Backends</h2>")[2]
            assert status == 200
            rows = [row.partition("</tr>")[0] for row in shown.split("<tr>")[2:]]
            assert [re.findall(r"tenant=(\w+)", row)[0] for row in rows] == ["bricks", "chimes", "acme", "drum"]
            for row, text in zip(rows, ("disabled", "fails", "takes them", "not told yet"), strict=True):
                assert text in row
            assert re.search(r"answered 410: it wants no more, since 20\d\d-", rows[0])
            assert re.search(r"\d (try|tries in a row), since 20\d\d-", rows[1])
            # A search that finds nothing because it names no tenant says so.
            assert "Choose a tenant, too" in (await bob.get("/notices", params={"state": "pending"}))[1]
            assert "Choose a tenant, too" not in page
            (notice,) = await worker.notices("chimes")
            told = (await bob.get(f"/notices/{notice.id}"))[1]
            assert "answered 503" in told
            assert "503 answered" not in told
    await worker.declare(acme=acme.url)


async def test_nothing_is_sent_where_there_is_no_backend(house: House, worker: Office) -> None:
    del worker
    async with house.visitor("otto") as otto:
        assert (await otto.post("/notices/test", tenant="bolt"))[0] == 404
        assert (await otto.post("/notices/msg_0_0/resend"))[0] == 404
        assert (await otto.get("/notices/msg_0_0"))[0] == 404
    async with house.visitor("bob") as bob:
        assert (await bob.post("/notices/test", tenant="acme"))[0] == 403
