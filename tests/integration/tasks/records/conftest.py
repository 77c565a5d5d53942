"""A database for each test, of both kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tasks.records import Database, RecordStore
from tasks.settings import DatabaseSettings
from tests.support import databases


@pytest.fixture(params=["sqlite", "postgresql"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseSettings:
    """A database with the schema of this version."""
    if request.param == "sqlite":
        return await databases.sqlite(tmp_path)
    return await databases.postgresql(request.getfixturevalue("postgres"))


@pytest.fixture
async def database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    async with Database.open(settings) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> RecordStore:
    return RecordStore(database)
