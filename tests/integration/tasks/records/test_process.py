"""`switchboard records` as a process: through an outage of its database, a kill, and its end; and what is measured."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import make_url

from ops.metrics.exporter import Exporter
from ops.stack.ports import HOST
from ops.stack.records import RecordWriterProcess
from ops.stack.redis import RedisServer
from tasks.records import CallFilter, Database, DatabaseUnavailable, RecordStore
from tasks.redis_client import connect
from tasks.rooms import RoomStore, keys
from tasks.settings import DatabaseSettings, MetricsSettings, RedisSettings, TierSettings
from tests.support import databases
from tests.support.databases import OPENED_MS, attempt_entry, call_entry
from tests.support.postgres import Postgres
from tests.support.waiting import until


@pytest.fixture
async def process(
    redis_server: RedisServer, rooms: RoomStore, settings: DatabaseSettings, tmp_path: Path
) -> AsyncIterator[RecordWriterProcess]:
    started = databases.writer(tmp_path, redis_url=redis_server.url, database=settings)
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


async def add(rooms: RoomStore, *numbers: int) -> None:
    client: Any = rooms.redis
    for number in numbers:
        for entry in (attempt_entry, call_entry):
            await client.xadd(keys.CALLS, entry(f"RM_{number}", opened_ms=OPENED_MS + number))


async def written(settings: DatabaseSettings, *numbers: int) -> None:
    async with Database.open(settings) as database:

        async def all_are() -> bool:
            with suppress(DatabaseUnavailable):
                page = await RecordStore(database).list_calls(CallFilter(), limit=1000)
                return sorted(call.sid for call in page.calls if call.state) == sorted(f"RM_{each}" for each in numbers)
            return False

        await until(all_are)


async def health(process: RecordWriterProcess) -> dict[str, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{process.port}/healthz") as answer:
        assert answer.status == 200
        body: dict[str, str] = await answer.json()
        return body


async def test_a_database_that_is_killed_costs_no_record(
    process: RecordWriterProcess, rooms: RoomStore, settings: DatabaseSettings, request: pytest.FixtureRequest
) -> None:
    await add(rooms, 1)
    await written(settings, 1)
    server: Postgres | None = None
    lock: sqlite3.Connection | None = None
    if settings.is_file:
        file = make_url(settings.url.get_secret_value()).database or ""
        lock = sqlite3.connect(file, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    else:
        server = request.getfixturevalue("postgres")
        server.kill()
    try:
        await add(rooms, 2, 3)

        async def noticed() -> bool:
            return (await health(process))["database"] == "down"

        await until(noticed)
        await add(rooms, 4)
    finally:
        if lock is not None:
            lock.close()
        if server is not None:
            server.start()
    await written(settings, 1, 2, 3, 4)
    assert await health(process) == {"status": "up", "database": "up"}
    lines = [json.loads(line) for line in process.log.read_text("utf-8").splitlines() if line.startswith("{")]
    said = [line["message"] for line in lines if line["logger"] == "switchboard.tasks.records"]
    # A line for each problem that the outage had, and one when it was over.
    assert set(said[:-1]) == {"records are not written; the stream keeps them"}
    assert said[-1] == "records are written again"


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_it_ends_at_a_stop_signal_and_leaves_nothing_of_itself(
    process: RecordWriterProcess, rooms: RoomStore, settings: DatabaseSettings
) -> None:
    await add(rooms, 1)
    await written(settings, 1)
    process.send(signal.SIGTERM)
    # As uvicorn ends: by the signal, once all is done.
    assert await process.exited() == -signal.SIGTERM
    client: Any = rooms.redis
    (group,) = await client.xinfo_groups(keys.CALLS)
    assert (group["consumers"], group["pending"]) == (0, 0)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_the_exporter_shows_how_far_the_writer_is_behind(
    process: RecordWriterProcess, rooms: RoomStore, redis_server: RedisServer, settings: DatabaseSettings
) -> None:
    async with connect(RedisSettings.read({"REDIS_URL": redis_server.url})) as redis:
        exporter = Exporter(redis, TierSettings.read({}), MetricsSettings.read({}), address="")

        async def shown() -> dict[str, float]:
            families = await exporter.collect()
            return {sample.name: sample.value for family in families for sample in family.samples}

        await add(rooms, 1, 2)
        await written(settings, 1, 2)

        async def is_caught_up() -> bool:
            return (await shown())["switchboard_records_unwritten_seconds"] == 0

        await until(is_caught_up)
        assert (await shown())["switchboard_records_in_stream"] == 4
        process.kill()
        await process.exited()
        await add(rooms, 3)

        async def is_behind() -> bool:
            return (await shown())["switchboard_records_unwritten_seconds"] > 0.05

        await until(is_behind)
        values = await shown()
        assert values["switchboard_records_kept_seconds"] >= values["switchboard_records_unwritten_seconds"]
        assert values["switchboard_records_lost_total"] == values["switchboard_records_rejected_total"] == 0
