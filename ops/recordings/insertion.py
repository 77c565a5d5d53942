"""Insertion of rows that may be there already, as an upload may be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from tasks.records.models import Base

ROWS = 200
"""Rows of one statement: SQLite allows 32,766 parameters."""


async def insert_missing(connection: AsyncConnection, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose primary key is not there yet."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    for start in range(0, len(rows), ROWS):
        statement: Any = insert(table.__table__).values(list(rows[start : start + ROWS]))  # type: ignore[arg-type]
        await connection.execute(statement.on_conflict_do_nothing())
