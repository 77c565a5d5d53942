"""The audit log on a database that is there, away, or written to by several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ops.console.audit import Action, Audit, Entry
from tasks.records import Database
from tasks.records.errors import DatabaseUnavailable
from tests.support import databases


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(await databases.sqlite(tmp_path)) as opened:
        yield opened


def entry(number: int) -> Entry:
    return Entry("otto", Action.ENDED, f"RM_{number}")


async def subjects(audit: Audit) -> list[str]:
    return sorted(row.subject for row in await audit.newest())


async def test_who_has_done_something_sees_it_at_once(database: Database) -> None:
    audit = Audit(database)
    audit.note(entry(1))
    assert await subjects(audit) == ["RM_1"]


async def test_entries_noted_while_others_are_written_are_each_written_once(database: Database) -> None:
    audit = Audit(database)
    writing = asyncio.create_task(audit.run())

    async def act(first: int) -> None:
        for number in range(first, first + 20):
            audit.note(entry(number))
            await audit.newest(1)

    await asyncio.gather(act(100), act(200), act(300))
    writing.cancel()
    assert await subjects(audit) == [f"RM_{first + n}" for first in (100, 200, 300) for n in range(20)]


async def test_the_oldest_unwritten_entries_make_room_while_the_database_is_away(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.console.audit.MOST_UNWRITTEN", 3)
    audit = Audit(database)
    file = tmp_path / "records.db"
    away = file.rename(tmp_path / "elsewhere")
    for number in range(5):
        audit.note(entry(number))
    with pytest.raises(DatabaseUnavailable):
        await audit.newest()
    away.rename(file)
    assert await subjects(audit) == ["RM_2", "RM_3", "RM_4"]
