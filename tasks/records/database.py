"""Connections to the database, with a deadline, and errors that name the cure."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiosqlite
import psycopg
import psycopg.errors
from sqlalchemy import URL, Connection, event, make_url
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
NOT_SET_UP = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
"""Errors of PostgreSQL that no query of ours causes."""


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


async def schema_status(settings: DatabaseSettings) -> schema.SchemaStatus:
    """Return the version of the database's schema, and the one that is needed. A file that is missing has none.

    Raises DatabaseUnavailable.
    """
    if _is_missing(settings):
        return schema.status("")
    engine = create_engine(settings.url.get_secret_value())
    try:
        with unavailable(settings.deadline_seconds):
            async with asyncio.timeout(settings.deadline_seconds), engine.connect() as connection:
                return schema.status(await connection.run_sync(schema.version))
    finally:
        await engine.dispose()


async def upgrade(settings: DatabaseSettings) -> None:
    """Upgrade the schema, all of it or nothing; create the file of SQLite if it is missing.

    As long as another process upgrades it, this one waits. Raises DatabaseUnavailable and SchemaTooNew.
    """
    address = make_url(settings.url.get_secret_value())
    with unavailable(settings.deadline_seconds):
        if _is_missing(settings):
            _create_file(Path(address.database or ""))
        engine = create_engine(settings.url.get_secret_value())
        if settings.is_file:
            event.listen(engine.sync_engine, "connect", _leave_transactions_to_us)
            event.listen(engine.sync_engine, "begin", _begin_writing)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(schema.upgrade)
        finally:
            await engine.dispose()


def _is_missing(settings: DatabaseSettings) -> bool:
    return settings.is_file and not Path(make_url(settings.url.get_secret_value()).database or "").exists()


def _create_file(file: Path) -> None:
    # For this user alone: it tells who has called.
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f"{file.name}.{secrets.token_hex(4)}.new")
    new.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(new)) as connection:
            # So that readers do not wait for the writer, nor it for them. The file keeps it. Before it has its name,
            # because processes that set it at once would find each other's lock.
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):
            file.hardlink_to(new)
    finally:
        new.unlink()


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    # Python's sqlite3 begins none before a CREATE TABLE, so half an upgrade could stay.
    connection.isolation_level = None


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


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
    file = Path(address.database or "")
    engine = create_async_engine(
        # SQLite would create a file that is missing, and it would be empty.
        address.set(
            drivername="sqlite+aiosqlite", database=f"file:{quote(str(file))}", query={"mode": "rw", "uri": "true"}
        ),
        pool_size=POOL_SIZE,
        max_overflow=MORE_CONNECTIONS,
        pool_timeout=CONNECT_SECONDS,
        connect_args={"timeout": BUSY_SECONDS},
    )
    event.listen(engine.sync_engine, "do_connect", partial(_check_file, file))
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    return engine


def _check_file(file: Path, *_: object) -> None:
    # Before the driver starts a thread for it, which nobody would wait for.
    if not file.is_file():
        raise aiosqlite.OperationalError(f"there is no file {file}; run: switchboard database upgrade")


def _set_up_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    # What was committed survives a loss of power, as the stream's entry is acknowledged then.
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
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
        if not error.connection_invalidated and not isinstance(error.orig, NOT_SET_UP):
            raise
        raise DatabaseUnavailable(error=_first_line(error)) from error
    except OSError as error:
        raise DatabaseUnavailable(error=error) from error


def _first_line(error: DBAPIError) -> str:
    # The statement and its parameters are not for a log.
    return str(error.orig).strip().partition("\n")[0]
