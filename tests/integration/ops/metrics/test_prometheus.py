"""A real Prometheus scrapes the exporter: it sees every increase, no reset, and no worker that is gone."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from ops.stack import ManagedProcess, environment, probe
from ops.stack.exporter import Exporter
from ops.stack.ports import HOST, PortPicker
from tasks.rooms import Intake, RoomStore
from tests.integration.ops.metrics.conftest import ExporterMaker
from tests.integration.ops.metrics.histories import Histories, beat, worker
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERED = 'switchboard_calls_ended_total{tier="premium",outcome="answered"}'
CONFIG = {"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"}}


class Prometheus(ManagedProcess):
    """A Prometheus that scrapes one exporter."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int, target: str) -> None:
        super().__init__("prometheus", directory, env)
        self._port = port
        jobs = [{"job_name": "switchboard", "static_configs": [{"targets": [target]}]}]
        (directory / "prometheus.yml").write_text(json.dumps(CONFIG | {"scrape_configs": jobs}), encoding="utf-8")

    def command(self) -> list[str]:
        program = shutil.which("prometheus")
        assert program, "install Debian's package prometheus"
        return [
            program,
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={HOST}:{self._port}",
        ]

    async def is_ready(self) -> bool:
        return await probe.http_status(HOST, self._port, "/-/ready") == 200

    async def value(self, query: str) -> float | None:
        """Return the value of a query with one result now, None without one."""
        url = f"http://{HOST}:{self._port}/api/v1/query"
        async with aiohttp.ClientSession() as session, session.get(url, params={"query": query}) as answer:
            found = (await answer.json())["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    async def shows(self, query: str, value: float | None) -> None:
        """Wait until a query has this value."""

        async def so() -> bool:
            return await self.value(query) == value

        await until(so, every=0.1)


@pytest_asyncio.fixture(loop_scope="module")
async def prometheus(exporter: Exporter, tmp_path: Path) -> AsyncIterator[Prometheus]:
    server = Prometheus(tmp_path, environment.inherited(), port=PortPicker().pick(), target=f"{HOST}:{exporter.port}")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_prometheus_sees_each_call_once_over_a_restart_of_the_exporter(
    rooms: RoomStore, exporter: Exporter, make_exporter: ExporterMaker, prometheus: Prometheus
) -> None:
    histories = Histories(rooms)
    await prometheus.shows(ANSWERED, 0)
    await beat(rooms, worker("celery@one", Intake.OPEN, queues=("premium",)))
    await histories.answered("RM_1", "acme")
    await prometheus.shows(ANSWERED, 1)
    await prometheus.shows('switchboard_worker_busy_slots{worker="celery@one"}', 4)

    await exporter.stop()
    await prometheus.shows("up", 0)
    await histories.answered("RM_while_it_was_down", "acme")
    await rooms.redis.delete("switchboard:worker:celery@one")
    await exporter.start()
    await prometheus.shows(ANSWERED, 2)
    assert await prometheus.value(f"resets({ANSWERED}[1m])") == 0
    assert await prometheus.value('switchboard_worker_busy_slots{worker="celery@one"}') is None
    assert await prometheus.value("switchboard_redis_up") == 1
