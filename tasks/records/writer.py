"""The writer: entries of the stream become rows of the database, at least once, and each row once.

    read entries, new ones or those of a writer that has died
    write them in one transaction; while the database is away, again and again, with a growing pause
    acknowledge them

A writer that dies at any point has the same entries written again, by itself or another one, which changes nothing. A
record that cannot be written is kept aside in the table of rejected entries, and tried again at the next start: a newer
version may know it. While a writer waits, the stream keeps what comes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from tasks.errors import SwitchboardError
from tasks.records.database import Database
from tasks.records.entries import Rows, UnreadableEntry, read_entry
from tasks.records.insertion import insert_records, reject_entry
from tasks.records.models import RejectedEntry
from tasks.records.stream import Entry, RecordStream, says_no_group
from tasks.redis_client import Outage
from tasks.settings.process import now_ms

CLAIM_SECONDS = 10.0
"""The time between two looks for entries of writers that have died."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 15.0
MOST_RETRIED = 1000
"""Rejected entries that are tried again at the start."""

logger = logging.getLogger("switchboard.tasks.records")


class Pause:
    """The pause between two tries: it doubles up to the longest, and is cut at random so that writers do not march."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._seconds = FIRST_PAUSE_SECONDS

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._seconds = FIRST_PAUSE_SECONDS

    async def take(self) -> None:
        """Pause, or return at once when the process stops."""
        seconds = self._seconds * random.uniform(0.5, 1)  # noqa: S311 - nothing secret
        self._seconds = min(2 * self._seconds, LONGEST_PAUSE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


class RecordWriter:
    """One writer. Any number may run side by side."""

    def __init__(self, stream: RecordStream, database: Database, *, redis: object = "") -> None:
        self._stream = stream
        self._database = database
        self._outage = Outage(redis, logger)
        self._stopping = asyncio.Event()
        self._claimed_at = float("-inf")
        self._problems: set[str] = set()
        self.turned_at = time.monotonic()
        """When it last came round, for a health check: an outage is no reason for a restart, a loop that stands is."""

    def stop(self) -> None:
        """Have `run` return when what is being written is written, or at the next pause."""
        self._stopping.set()

    @property
    def database_is_up(self) -> bool:
        """True unless the last try to write has failed."""
        return not self._problems

    async def run(self) -> None:
        """Write records until `stop`."""
        await self._until_done(self._retry_rejected)
        pause = Pause(self._stopping)
        while not self._stopping.is_set():
            self.turned_at = time.monotonic()
            try:
                await self._stream.liveness.renew()
                entries = await self._next()
                if entries:
                    await self._until_done(partial(self._write, entries))
                    if self._stopping.is_set() and self._problems:
                        break
                    await self._stream.acknowledge(entries)
                self._outage.answered()
                pause.reset()
            except (RedisError, OSError) as error:
                if isinstance(error, RedisError) and says_no_group(error):
                    await self._create_group()
                else:
                    self._outage.failed(error)
                await pause.take()
        with suppress(RedisError, OSError):
            await self._stream.leave()

    async def _next(self) -> list[Entry]:
        if time.monotonic() - self._claimed_at > CLAIM_SECONDS:
            entries = await self._stream.claim_left()
            if entries:
                return entries
            self._claimed_at = time.monotonic()
            await self._stream.forget_writers()
        return await self._stream.read_new()

    async def _create_group(self) -> None:
        try:
            await self._stream.create_group()
        except (RedisError, OSError) as error:
            self._outage.failed(error)

    async def _until_done(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do something with the database, again and again while it is away, until it is done or the process stops."""
        pause = Pause(self._stopping)
        while True:
            try:
                await action()
            except SwitchboardError as error:
                self._report(str(error))
                if self._stopping.is_set():
                    return
                await pause.take()
                self.turned_at = time.monotonic()
                with suppress(RedisError, OSError):
                    await self._stream.liveness.renew()
            else:
                self._report("")
                return

    def _report(self, problem: str) -> None:
        """Log one line for each problem of an outage, and one when it is over; "" for none."""
        if problem and problem not in self._problems:
            logger.warning("records are not written; the stream keeps them", extra={"problem": problem})
            self._problems.add(problem)
        elif self._problems and not problem:
            logger.warning("records are written again")
            self._problems.clear()

    async def _write(self, entries: Sequence[Entry]) -> None:
        records, rejected = _read(entries)
        try:
            async with self._database.transaction() as connection:
                await insert_records(connection, records)
        except SQLAlchemyError:
            # One of them, as the database itself is there. The others are written.
            for rows in records:
                if (problem := await self._write_alone(rows)) is not None:
                    rejected[rows.entry] = problem
        if rejected:
            await self._reject([entry for entry in entries if entry.id in rejected], rejected)
        if records:
            logger.debug("records written", extra={"number": len(records) - len(rejected)})

    async def _write_alone(self, rows: Rows) -> str | None:
        """Write one record. Returns the problem with it, or None."""
        try:
            async with self._database.transaction() as connection:
                await insert_records(connection, [rows])
        except SQLAlchemyError as error:
            return f"{type(error).__name__}: {getattr(error, 'orig', error)}".partition("\n")[0]
        return None

    async def _reject(self, entries: Sequence[Entry], problems: dict[str, str]) -> None:
        for entry in entries:
            values: dict[str, Any] = {
                "entry": entry.id,
                "problem": problems[entry.id].encode(errors="replace").decode().replace("\0", "\ufffd"),
                # As JSON of ASCII alone: nothing in it can be refused again.
                "fields": entry.fields,
                "rejected_ms": now_ms(),
            }
            async with self._database.transaction() as connection:
                await reject_entry(connection, values)
            # The problem may repeat what is in the entry, so it is in the table alone.
            logger.error("entry kept aside, as it is no record", extra={"entry": entry.id})
        with suppress(RedisError, OSError):
            await self._stream.count_rejected(len(entries))

    async def _retry_rejected(self) -> None:
        async with self._database.transaction() as connection:
            query = select(RejectedEntry.entry, RejectedEntry.fields).order_by(RejectedEntry.entry).limit(MOST_RETRIED)
            rows = (await connection.execute(query)).all()
        for entry, fields in rows:
            records, _ = _read([Entry(entry, fields)])
            if records and await self._write_alone(records[0]) is None:
                async with self._database.transaction() as connection:
                    await connection.execute(delete(RejectedEntry).where(RejectedEntry.entry == entry))
                logger.info("entry written that was kept aside", extra={"entry": entry})


def _read(entries: Sequence[Entry]) -> tuple[list[Rows], dict[str, str]]:
    """Return the records, and the problems of the entries that are none."""
    records: list[Rows] = []
    problems: dict[str, str] = {}
    for entry in entries:
        try:
            records.append(read_entry(entry.id, entry.fields))
        except UnreadableEntry as error:
            problems[entry.id] = str(error)
    return records, problems
