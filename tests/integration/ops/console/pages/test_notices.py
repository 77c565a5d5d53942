"""*Notices* on the console: the list with its tries, sending one again, and testing a backend."""

from __future__ import annotations

import asyncio
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


async def test_nothing_is_sent_where_there_is_no_backend(house: House, worker: Office) -> None:
    del worker
    async with house.visitor("otto") as otto:
        assert (await otto.post("/notices/test", tenant="bolt"))[0] == 404
        assert (await otto.post("/notices/msg_0_0/resend"))[0] == 404
        assert (await otto.get("/notices/msg_0_0"))[0] == 404
    async with house.visitor("bob") as bob:
        assert (await bob.post("/notices/test", tenant="acme"))[0] == 403
