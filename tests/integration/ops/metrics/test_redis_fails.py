"""The exporter answers each scrape, whatever Redis does, and says in its metrics and its log what Redis does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import pytest_asyncio
from prometheus_client import generate_latest

from ops.metrics.exporter import Exporter as MetricsExporter
from ops.metrics.server import Collected
from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.exporter import Exporter
from ops.stack.ports import HOST, PortPicker
from tasks.redis_client import connect
from tasks.rooms import Intake, RoomStore, keys
from tasks.settings import MetricsSettings, RedisSettings, TierSettings
from tests.integration.ops.metrics.histories import Histories, beat, worker
from tests.integration.ops.metrics.scrape import Scrape, scrape
from tests.integration.redis import troubles
from tests.integration.redis.troubles import PASSWORD, ConfiguredServer, Trouble
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

READABLE = [troubles.no_memory, troubles.no_snapshot, troubles.no_replicas, troubles.replica]
"""Troubles in which Redis takes no writes, and answers reads."""
SILENT = [troubles.stale_replica, troubles.busy, troubles.other_password, troubles.no_connections, troubles.loading]
"""Troubles in which it does not answer either."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConfiguredServer]:
    folder = tmp_path_factory.mktemp("redis")
    redis = ConfiguredServer(folder, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    await redis.start()
    try:
        async with redis.client() as client:
            rooms = RoomStore(client)
            await Histories(rooms).answered("RM_1", "acme")
            await beat(rooms, worker("celery@one", Intake.OPEN, queues=("premium",)))
        yield redis
    finally:
        await redis.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exporter(server: ConfiguredServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Exporter]:
    env = environment.inherited() | {"REDIS_URL": server.url, "SWITCHBOARD_REDIS_DEADLINE_SECONDS": "0.5"}
    made = Exporter(tmp_path_factory.mktemp("exporter"), env, port=PortPicker().pick())
    await made.start()
    await scrape(made.url)
    yield made
    await made.stop()


def logged(exporter: Exporter, message: str) -> list[dict[str, str]]:
    lines = exporter.log.read_text(encoding="utf-8").splitlines()
    return [entry for line in lines if line.startswith("{") and (entry := json.loads(line))["message"] == message]


async def scraped_when(exporter: Exporter, *, up: int) -> Scrape:
    """Return the first scrape that finds Redis so."""
    found: list[Scrape] = []

    async def so() -> bool:
        found.append(await scrape(exporter.url))
        return found[-1].value("redis_up") == up

    await until(so)
    return found[-1]


@pytest.mark.parametrize("trouble", [*READABLE, *SILENT], ids=lambda trouble: trouble.__name__)
async def test_redis_is_not_up_while_it_answers_with_errors(
    server: ConfiguredServer, exporter: Exporter, trouble: Trouble
) -> None:
    lines = len(logged(exporter, "Redis fails"))
    before = (await scraped_when(exporter, up=1)).value("calls_ended_total", tier="premium", outcome="answered")
    async with trouble(server):
        shown = await scraped_when(exporter, up=0)
        # A counter that vanished and came back would be no reset, but a gap in every panel.
        assert shown.value("calls_ended_total", tier="premium", outcome="answered") == before == 1
        assert bool(shown.only("queue_messages")) == (trouble in READABLE)
        assert shown.value("build_info", **dict(next(iter(shown.only("build_info"))))) == 1
    await scraped_when(exporter, up=1)
    (*_, line) = logged(exporter, "Redis fails")
    assert line["level"] == "WARNING"
    assert line["redis"] == f"{HOST}:{server.port}"
    assert line["problem"]
    assert len(logged(exporter, "Redis fails")) - lines <= 3, "one for each problem of an outage, not for each scrape"
    assert logged(exporter, "Redis answers again")


@asynccontextmanager
async def exporter_of(url: str, **settings: str) -> AsyncIterator[MetricsExporter]:
    """An exporter in this process."""
    redis = RedisSettings.read({"REDIS_URL": url} | settings)
    async with connect(redis) as client:
        yield MetricsExporter(client, TierSettings.read({}), MetricsSettings.read({}), address=redis.server)


async def collected(exporter: MetricsExporter) -> Scrape:
    return Scrape(generate_latest(Collected(await exporter.collect())).decode())


async def test_an_exporter_that_starts_without_redis_shows_no_counts_until_it_is_there(
    server: ConfiguredServer,
) -> None:
    """Zeros would look like a reset, and what follows them like a sudden rise.

    Prometheus gives a scrape 10 s, whatever the deadline of a request is.
    """
    async with exporter_of(server.url, SWITCHBOARD_REDIS_DEADLINE_SECONDS="60") as early:
        server.pause()
        try:
            async with asyncio.timeout(10):
                shown = await collected(early)
        finally:
            server.resume()
        assert shown.value("redis_up") == 0
        assert {name for name, _ in shown.ours} == {"switchboard_redis_up", "switchboard_build_info"}
        shown = await collected(early)
        assert shown.value("redis_up") == 1
        assert shown.value("calls_ended_total", tier="premium", outcome="answered") == 1


async def test_a_wrong_password_is_said_and_not_shown(
    server: ConfiguredServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with exporter_of(server.url.replace(PASSWORD, "hunter2")) as wrong:
        assert (await collected(wrong)).value("redis_up") == 0
    (line,) = [record for record in caplog.records if record.message == "Redis fails"]
    assert vars(line)["problem"].startswith("AuthenticationError")
    assert "hunter2" not in str(vars(line))


async def test_entries_are_counted_also_while_nobody_scrapes(server: ConfiguredServer, exporter: Exporter) -> None:
    """The stream is trimmed, whether or not Prometheus is there."""
    async with server.client() as client:
        await Histories(RoomStore(client)).answered("RM_unscraped", "acme")
        ((newest, _),) = cast("Any", await client.xrevrange(keys.CALLS, count=1))

        async def counted() -> bool:
            return bool(await client.hget(keys.METRICS, f"position:{keys.CALLS}") == newest)

        await until(counted, 15)
