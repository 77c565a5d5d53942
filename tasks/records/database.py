"""Connections to the database, with a deadline, and errors that name the cure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiosqlite
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tasks.records import schema
from tasks.records.errors import DatabaseUnavailable
from tasks.settings import DatabaseSettings

POOL_SIZE, MORE_CONNECTIONS = 4, 4
CONNECT_SECONDS = 5
BUSY_SECONDS = 5.0
"""The time that a writer of SQLite waits for another one."""


class Database:
    """The database of one process: a pool of connections, none of which is made before it is needed."""

    def __init__(self, engine: AsyncEngine, *, deadline_seconds: float = 10.0) -> None:
        self.engine = engine
        self._deadline_seconds = deadline_seconds
        self._checked = False

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DatabaseSettings) -> AsyncIterator[Self]:
        """Open the pool, and close it at the end."""
        engine = create_engine(settings.url.get_secret_value())
        try:
            yield cls(engine, deadline_seconds=settings.deadline_seconds)
        finally:
            await engine.dispose()

    @property
    def is_sqlite(self) -> bool:
        """True if it is a file of SQLite, which has one writer at a time."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Run a transaction: committed at the end, rolled back if anything is raised, and cancelled at the deadline.

        Raises DatabaseUnavailable, SchemaOutdated or SchemaTooNew. A commit whose answer was lost raises
        DatabaseUnavailable too: what is written has to bear being written again.
        """
        with unavailable(self._deadline_seconds):
            async with asyncio.timeout(self._deadline_seconds), self.engine.begin() as connection:
                await self._check(connection)
                yield connection

    async def _check(self, connection: AsyncConnection) -> None:
        # Once is enough: a database that is upgraded under a running process still has all that this version needs.
        if not self._checked:
            schema.check(await connection.run_sync(schema.version))
            self._checked = True


def create_engine(url: str) -> AsyncEngine:
    """Return the engine for a setting's URL. A file that is missing is an error: only an upgrade creates one."""
    address = make_url(url)
    return _sqlite(address) if address.get_backend_name() == "sqlite" else _postgresql(address)


def _postgresql(address: URL) -> AsyncEngine:
    return create_async_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        max_overflow=MORE_CONNECTIONS,
        pool_timeout=CONNECT_SECONDS,
        # A server that was restarted, or a failover, closes connections that wait in the pool.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            # PgBouncer, which many servers stand behind, gives each transaction another connection: a statement
            # prepared on one is not known on the next (https://www.psycopg.org/psycopg3/docs/advanced/prepare.html).
            "prepare_threshold": None,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )


def _sqlite(address: URL) -> AsyncEngine:
    file = f"file:{quote(str(Path(address.database or '')))}?mode=rw"
    engine = create_async_engine(
        address.set(drivername="sqlite+aiosqlite"),
        async_creator=lambda: aiosqlite.connect(file, uri=True, timeout=BUSY_SECONDS),
        pool_size=POOL_SIZE,
        max_overflow=MORE_CONNECTIONS,
        pool_timeout=CONNECT_SECONDS,
    )
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    # Readers do not wait for the writer, nor it for them. What was committed survives a loss of power, as the stream's
    # entry is acknowledged then.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def unavailable(seconds: float) -> Iterator[None]:
    """Raise DatabaseUnavailable for all that says that the database is away, locked, or too slow."""
    try:
        yield
    except (TimeoutError, PoolTimeout):
        raise DatabaseUnavailable(error=f"within {seconds:g} s") from None
    except (OperationalError, InterfaceError, InternalError) as error:
        raise DatabaseUnavailable(error=_first_line(error)) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise DatabaseUnavailable(error=_first_line(error)) from error
    except OSError as error:
        raise DatabaseUnavailable(error=error) from error


def _first_line(error: DBAPIError) -> str:
    # The statement and its parameters are not for a log.
    return str(error.orig).strip().partition("\n")[0]
