"""Any order, any repetition and any crash of writers end in the same tables, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tasks.records import Database
from tasks.records.entries import Rows, read_entry
from tasks.records.insertion import insert_records
from tasks.records.models import Attempt, Base, Call, ProviderFailure, Usage
from tasks.settings import DatabaseSettings
from tests.support import databases
from tests.support.databases import OPENED_MS, USAGE, Fields, attempt_entry, call_entry
from tests.support.postgres import Postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES: tuple[type[Base], ...] = (Call, Attempt, Usage, ProviderFailure)
FAILURE = {"type": "provider_failure", "kind": "tts", "index": 0, "provider": "elevenlabs", "error": "429", "count": 1}


def history() -> list[Rows]:
    """The records of two openings of one room, and of another room."""
    again = OPENED_MS + 5000
    entries: list[Fields] = [
        attempt_entry("RM_1", ending="handed_over", number="+49301"),
        attempt_entry("RM_1", attempt=2, ending="lost", usage=[*USAGE, FAILURE], number="+49301"),
        attempt_entry("RM_1", attempt=3, number="+49301"),
        call_entry("RM_1", attempts=3, number="+49301"),
        attempt_entry("RM_1", attempt=4, opened_ms=again, number="+49301"),
        call_entry("RM_1", attempts=4, opened_ms=again, number="+49301"),
        attempt_entry("RM_2", ending="lost"),
        attempt_entry("RM_2", attempt=2, ending="handed_over"),
        call_entry("RM_3", attempts=0, state="cancelled"),
    ]
    return [read_entry(f"{number}-0", fields) for number, fields in enumerate(entries, 1)]


HISTORY = history()


class Crash(Exception):
    """The writer dies before its commit."""


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> AsyncIterator[Database]:
    made: DatabaseSettings = (
        await databases.sqlite(tmp_path_factory.mktemp("records"))
        if request.param == "sqlite"
        else await databases.postgresql(postgres)
    )
    async with Database.open(made) as opened:
        yield opened


async def clear(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(Call))


async def write(database: Database, records: Sequence[Rows], *, crashes: bool = False) -> None:
    with suppress(Crash):
        async with database.transaction() as connection:
            await insert_records(connection, records)
            if crashes:
                raise Crash


async def tables(database: Database) -> list[list[tuple[Any, ...]]]:
    async with database.transaction() as connection:
        found = [(await connection.execute(select(table.__table__))).all() for table in TABLES]
    return [sorted((tuple(row) for row in rows), key=repr) for rows in found]


# A batch is some of the records, in any order, with repetitions; it is committed, or its writer crashes before.
BATCHES = st.lists(st.tuples(st.lists(st.sampled_from(HISTORY), max_size=5), st.booleans()), max_size=5)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches=BATCHES, order=st.permutations(HISTORY), cut=st.integers(0, len(HISTORY)))
async def test_any_order_repetition_and_crash_give_the_same_tables(
    database: Database, batches: list[tuple[list[Rows], bool]], order: list[Rows], cut: int
) -> None:
    await clear(database)
    await write(database, HISTORY)
    expected = await tables(database)
    await clear(database)
    for records, crashes in batches:
        await write(database, records, crashes=crashes)
    # In the end each record was delivered to a writer that did not crash.
    await write(database, order[:cut])
    await write(database, order[cut:])
    assert await tables(database) == expected


async def test_a_batch_with_each_record_twice_is_one(database: Database) -> None:
    await clear(database)
    await write(database, HISTORY)
    expected = await tables(database)
    await clear(database)
    await write(database, [*HISTORY, *reversed(HISTORY)])
    assert await tables(database) == expected
    assert [len(rows) for rows in expected] == [4, 6, 30, 1]
