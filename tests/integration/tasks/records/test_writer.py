"""The writer, with real Redis and both databases: what it survives, what it says, and what it never does twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, text

from ops.stack.redis import RedisServer
from tasks.records import CallFilter, Database, DatabaseUnavailable, RecordStore, schema
from tasks.records import stream as streams
from tasks.records import writer as writers
from tasks.records.models import Attempt, Call, RejectedEntry, Usage
from tasks.records.stream import RecordStream
from tasks.records.writer import RecordWriter
from tasks.redis_client import connect
from tasks.rooms import RoomStore, keys
from tasks.settings import RedisSettings
from tests.support.databases import OPENED_MS, Fields, attempt_entry, call_entry
from tests.support.waiting import until


@pytest.fixture
async def redis(redis_server: RedisServer, rooms: RoomStore) -> AsyncIterator[Redis]:
    """A client as the writer has it. `rooms` checks that no key is left without a TTL."""
    settings = RedisSettings.read({"REDIS_URL": redis_server.url})
    async with connect(settings, undecodable="replace") as client:
        yield client


@asynccontextmanager
async def writing(redis: Redis, database: Database, name: str = "one") -> AsyncIterator[RecordWriter]:
    writer = RecordWriter(RecordStream(redis, name), database)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        writer.stop()
        await task


async def add(redis: Redis, *entries: Fields) -> list[str]:
    client: Any = redis
    return [await client.xadd(keys.CALLS, fields) for fields in entries]


def calls(first: int, number: int) -> list[Fields]:
    """The records of so many calls with one attempt each."""
    opened = {f"RM_{index:05}": OPENED_MS + index for index in range(first, first + number)}
    return [
        entry
        for sid, opened_ms in opened.items()
        for entry in (attempt_entry(sid, opened_ms=opened_ms), call_entry(sid, opened_ms=opened_ms))
    ]


async def counted(database: Database) -> tuple[int, int, int]:
    """The number of calls that are over, of attempts, and of rows of usage."""
    async with database.transaction() as connection:
        over = await connection.scalar(select(func.count()).select_from(Call).where(Call.state.is_not(None)))
        attempts = await connection.scalar(select(func.count()).select_from(Attempt))
        usage = await connection.scalar(select(func.count()).select_from(Usage))
    return over or 0, attempts or 0, usage or 0


async def is_(awaited: Awaitable[object], expected: object) -> bool:
    return await awaited == expected


async def written(database: Database, number: int) -> None:
    async def all_are() -> bool:
        with suppress(DatabaseUnavailable):
            return await counted(database) == (number, number, 5 * number)
        return False

    await until(all_are)


async def said(caplog: pytest.LogCaptureFixture, words: str) -> None:
    """Wait until the log has this as a message or as a problem."""

    async def is_said() -> bool:
        return any(words in f"{record.message} {getattr(record, 'problem', '')}" for record in caplog.records)

    await until(is_said)


async def unwritten(redis: Redis) -> int:
    (group,) = await redis.xinfo_groups(keys.CALLS)
    return int(group["pending"])


async def test_records_are_written_as_they_come_and_acknowledged(redis: Redis, database: Database) -> None:
    await add(redis, *calls(0, 3))
    async with writing(redis, database):
        await written(database, 3)
        await add(redis, *calls(3, 250))
        await written(database, 253)
        await until(lambda: is_(unwritten(redis), 0))
    # It has left nothing of itself.
    assert await redis.xinfo_consumers(keys.CALLS, keys.RECORD_WRITERS) == []


async def test_entries_of_a_writer_that_has_died_are_written_by_another_one(
    redis: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IDLE_MS", 50)
    await add(redis, *calls(0, 2))
    dead = RecordStream(redis, "dead")
    await dead.create_group()
    assert len(await dead.read_new()) == 4
    await asyncio.sleep(0.06)
    async with writing(redis, database):
        await written(database, 2)
        await until(lambda: is_(unwritten(redis), 0))


async def test_a_writer_that_dies_between_commit_and_acknowledgement_leaves_nothing_twice(
    redis: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IDLE_MS", 50)
    await add(redis, *calls(0, 3))
    with monkeypatch.context() as dying:

        async def dies(*_: object) -> None:
            raise KeyError("dies")

        dying.setattr(RecordStream, "acknowledge", dies)
        writer = RecordWriter(RecordStream(redis, "dies"), database)
        with pytest.raises(KeyError, match="dies"):
            await writer.run()
    assert await counted(database) == (3, 3, 15)
    assert await unwritten(redis) == 6
    await asyncio.sleep(0.06)
    async with writing(redis, database):
        await until(lambda: is_(unwritten(redis), 0))
    assert await counted(database) == (3, 3, 15)


async def test_several_writers_write_each_record_once(redis: Redis, database: Database) -> None:
    async with writing(redis, database, "one"), writing(redis, database, "two"), writing(redis, database, "three"):
        for first in range(0, 400, 40):
            await add(redis, *calls(first, 40))
        await written(database, 400)
        await until(lambda: is_(unwritten(redis), 0))


async def test_what_is_no_record_is_kept_aside_and_the_rest_is_written(
    redis: Redis, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    bad: list[Fields] = [
        {"hello": "world"},
        {"kind": "call"},
        call_entry("RM_9", state="paused"),
        attempt_entry("RM_9") | {"usage": "[" * 100_000},
        attempt_entry("RM_9", attempt=10**12),
        attempt_entry("RM_9") | {"at:claimed": "9" * 5000},
    ]
    ids = await add(redis, *calls(0, 1), *bad, *calls(1, 1))
    async with writing(redis, database):
        await written(database, 2)
        await until(lambda: is_(unwritten(redis), 0))
    async with database.transaction() as connection:
        rows = (await connection.execute(select(RejectedEntry.entry, RejectedEntry.fields))).all()
    assert sorted(entry for entry, _ in rows) == ids[2:-2]
    assert {"hello": "world"} in [fields for _, fields in rows]
    said = [record for record in caplog.records if record.message == "entry kept aside, as it is no record"]
    assert len(said) == len(bad)
    assert await redis.hget(keys.COUNTERS, keys.RECORDS_REJECTED) == str(len(bad))


async def test_odd_text_and_numbers_are_written_as_far_as_databases_can(
    redis: Redis, database: Database, store: RecordStore
) -> None:
    counts = '"input_tokens": 1e400, "output_tokens": 3'
    usage = '[{"type": "llm_usage", "provider": "a\\u0000b", "model": "\\ud800", ' + counts + "}]"
    await add(redis, {**attempt_entry("RM_1", reason="\0 nul"), "usage": usage})
    client: Any = redis
    await client.xadd(keys.CALLS, {**call_entry("RM_1"), "outcome": b"\xff\xfe broken"})
    async with writing(redis, database):
        await until(lambda: is_(counted(database), (1, 1, 1)))
    found = await store.get_call("RM_1")
    assert found is not None
    assert found.attempts[0].reason == "\ufffd nul"
    assert found.call.outcome == "\ufffd\ufffd broken"
    assert [(line.provider, line.unit, line.amount) for line in found.usage] == [("a\ufffdb", "output_tokens", 3.0)]


async def test_one_record_that_the_database_refuses_does_not_keep_back_the_others(
    redis: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.transaction() as connection:
        if database.is_sqlite:
            await connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON calls WHEN new.name = 'no' "
                    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
        else:
            await connection.execute(text("ALTER TABLE calls ADD CONSTRAINT refuse CHECK (name <> 'no')"))
    refused = {**call_entry("RM_9"), "name": "no"}
    await add(redis, *calls(0, 2), refused, *calls(2, 2))
    async with writing(redis, database):
        await written(database, 4)
        await until(lambda: is_(unwritten(redis), 0))
    async with database.transaction() as connection:
        assert await connection.scalar(select(RejectedEntry.problem)) is not None
        drop = "DROP TRIGGER refuse" if database.is_sqlite else "ALTER TABLE calls DROP CONSTRAINT refuse"
        await connection.execute(text(drop))
    # The next start tries it again.
    async with writing(redis, database):
        await until(lambda: is_(counted(database), (5, 4, 20)))
    async with database.transaction() as connection:
        assert await connection.scalar(select(func.count()).select_from(RejectedEntry)) == 0


async def test_entries_that_were_trimmed_before_they_were_read_are_said(
    redis: Redis, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with writing(redis, database):
        await add(redis, *calls(0, 1))
        await written(database, 1)
    await add(redis, *calls(1, 5))
    await redis.xtrim(keys.CALLS, maxlen=4, approximate=False)
    async with writing(redis, database):
        await written(database, 3)
    messages = [record.message for record in caplog.records]
    assert messages.count("records may be lost: entries were trimmed before they were read") == 1
    assert await redis.hget(keys.COUNTERS, keys.RECORDS_LOST) == "1"


async def test_entries_that_were_trimmed_while_a_dead_writer_had_them_are_said(
    redis: Redis, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IDLE_MS", 50)
    dead = RecordStream(redis, "dead")
    await dead.create_group()
    await add(redis, *calls(0, 3))
    assert len(await dead.read_new()) == 6
    await redis.xtrim(keys.CALLS, maxlen=4, approximate=False)
    await asyncio.sleep(0.06)
    async with writing(redis, database):
        await written(database, 2)
        await until(lambda: is_(unwritten(redis), 0))
    assert "records are lost: entries were trimmed before they were written" in caplog.text
    assert await redis.hget(keys.COUNTERS, keys.RECORDS_LOST) == "2"


async def test_a_redis_that_has_lost_everything_is_read_from_its_beginning(redis: Redis, database: Database) -> None:
    async with writing(redis, database):
        await add(redis, *calls(0, 2))
        await written(database, 2)
        await redis.flushall()
        await add(redis, *calls(1, 3))
        await written(database, 4)


async def test_a_writer_waits_for_redis(
    redis: Redis, redis_server: RedisServer, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with writing(redis, database):
        await add(redis, *calls(0, 1))
        await written(database, 1)
        await redis_server.stop()
        await said(caplog, "Redis fails")
        await redis_server.start()
        await add(redis, *calls(1, 1))
        await written(database, 2)


async def test_while_the_schema_is_missing_a_writer_says_the_cure_and_waits(
    redis: Redis, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "LONGEST_PAUSE_SECONDS", 0.1)
    version = schema.status("").needed
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM switchboard_schema"))
    await add(redis, *calls(0, 1))
    fresh = Database(database.engine)
    async with writing(redis, fresh):
        await said(caplog, "switchboard database upgrade")
        async with database.transaction() as connection:
            await connection.execute(text("INSERT INTO switchboard_schema VALUES (:version)"), {"version": version})
        await written(database, 1)


async def test_no_name_and_no_number_is_in_the_log(
    redis: Redis, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "switchboard")
    await add(redis, {**call_entry("RM_1"), "name": "secret name", "number": "+4930555"}, {"kind": "secret name"})
    async with writing(redis, database):
        await said(caplog, "entry kept aside, as it is no record")
    shown = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("switchboard"))
    assert "secret" not in shown
    assert "4930555" not in shown


async def test_a_second_record_of_the_same_attempt_changes_nothing_and_is_said(
    redis: Redis, database: Database, store: RecordStore, caplog: pytest.LogCaptureFixture
) -> None:
    # As after a failover in which Redis has lost the first one, after it was read.
    await add(redis, *calls(0, 1), {**attempt_entry("RM_00000"), "usage": "[]", "reason": "again"})
    async with writing(redis, database):
        await written(database, 1)
        await until(lambda: is_(unwritten(redis), 0))
    found = (await store.list_calls(CallFilter())).calls
    assert len(found) == 1
    assert "a second record of the same; the first stays" in caplog.text
