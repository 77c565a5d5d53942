from __future__ import annotations

import pytest

from tasks.rooms import RoomStore
from tests.bench import webhook_load
from tests.bench.webhook_load import Load
from tests.integration.webhooks.sender import KEY, SECRET, Sender

pytestmark = pytest.mark.asyncio(loop_scope="module")


def load(sender: Sender, *, secret: str = SECRET) -> Load:
    url = f"http://127.0.0.1:{sender.port}/livekit/webhook"
    return Load(url, rate=100, seconds=0.5, p99_ms=1000, tenant="acme", key=KEY, secret=secret)


async def test_each_request_of_a_load_opens_a_room(sender: Sender, rooms: RoomStore) -> None:
    report = await webhook_load.run(load(sender))

    assert report.statuses == {"200": 50}
    slowest_ms = max(report.latencies_ms)
    assert report.passes(p99_ms=slowest_ms)
    assert not report.passes(p99_ms=min(report.latencies_ms) / 2)
    assert len(await rooms.list_open()) == 50


async def test_a_load_with_a_wrong_secret_does_not_pass(sender: Sender, rooms: RoomStore) -> None:
    report = await webhook_load.run(load(sender, secret=SECRET[::-1]))

    assert report.statuses == {"401": 50}
    assert not report.passes(p99_ms=1000)


async def test_a_load_on_a_receiver_that_is_not_there_counts_the_errors(sender: Sender) -> None:
    nowhere = Load("http://127.0.0.1:1/", rate=100, seconds=0.05, p99_ms=1000, tenant="acme", key=KEY, secret=SECRET)

    report = await webhook_load.run(nowhere)

    assert report.statuses == {"ClientConnectorError": 5}
