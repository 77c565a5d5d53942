"""The audit log: who did, saw or heard what. Each entry is a line of the log, and a row of the database.

What an operator hears or reads of a call is written before it is shown; without the database it is not shown. What an
operator does, such as ending a call, is done also while the database is away: its entries are written when it is back,
and until then they are in the log alone. Who has erased a call, by the API or the command, is written by
`tasks.records.erasure`, together with the erasure.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, select

from tasks.errors import SwitchboardError
from tasks.records import Database
from tasks.records.insertion import insert_missing
from tasks.records.models import AuditEntry
from tasks.settings.process import now_ms

RETRY_SECONDS = 5.0
MOST_UNWRITTEN = 10_000
REPEATED_SECONDS = 600.0
"""A player asks for one recording many times, part by part: within this time that is one entry."""
MOST_REMEMBERED = 1000

logger = logging.getLogger("switchboard.console.audit")


class Action(StrEnum):
    """Things that are in the audit log."""

    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    READ = "read the transcript"
    HEARD = "heard the recording"
    ENDED = "ended the call"
    MOVED = "moved the call"
    DRAINED = "drained the worker"
    REPLAYED = "replayed the dead letter"
    TRIED = "made a trial call"
    RESENT = "sent the notice again"
    TESTED = "tested the backend"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry. `subject`: a room's sid, a worker, or "". `client`: the address that the request came from."""

    operator: str
    action: Action
    subject: str = ""
    tenant: str = ""
    detail: str = ""
    client: str = ""


class Audit:
    """The audit log. `run` writes what could not be written at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unwritten: dict[str, dict[str, object]] = {}
        self._wanted = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._seen: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def note(self, entry: Entry) -> None:
        """Add an entry for what an operator has done. It is written soon."""
        row = self._row(entry)
        self._unwritten[str(row["id"])] = row
        if len(self._unwritten) > MOST_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]
        self._wanted.set()

    async def require(self, entry: Entry) -> None:
        """Add an entry for what an operator is about to hear or read. Raises what `tasks.records` raises."""
        key = (entry.operator, entry.action, entry.subject, entry.detail)
        if time.monotonic() - self._seen.get(key, float("-inf")) < REPEATED_SECONDS:
            return
        await self._write([self._row(entry)])
        self._seen[key] = time.monotonic()
        self._seen.move_to_end(key)
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)

    async def newest(self, limit: int = 200, *, subject: str = "", operator: str = "") -> Sequence[Row[Any]]:
        """Return the newest entries, of one subject or operator if it is given. Raises what `tasks.records` raises.

        What is not written yet is written first, so that operators who have just acted see it.
        """
        await self._flush()
        query: Select[*tuple[Any, ...]] = select(AuditEntry.__table__)
        if subject:
            query = query.where(AuditEntry.subject == subject)
        if operator:
            query = query.where(AuditEntry.operator == operator)
        async with self._database.transaction() as connection:
            rows = await connection.execute(query.order_by(AuditEntry.at_ms.desc(), AuditEntry.id).limit(limit))
            return rows.all()

    async def run(self) -> None:
        """Write entries as they come, and again after a while if the database is away."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not await self._flush():
                await asyncio.sleep(RETRY_SECONDS)
                self._wanted.set()

    async def aclose(self) -> None:
        """Write what is left, if the database is there."""
        await self._flush()

    async def _flush(self) -> bool:
        async with self._flushing:
            rows = dict(self._unwritten)
            try:
                if rows:
                    await self._write(list(rows.values()))
            except SwitchboardError as error:
                logger.warning("audit entries not written", extra={"entries": len(rows), "problem": str(error)})
                return False
            for written in rows:
                self._unwritten.pop(written, None)
            return True

    async def _write(self, rows: Sequence[dict[str, object]]) -> None:
        async with self._database.transaction() as connection:
            # A commit whose answer was lost is written again.
            await insert_missing(connection, AuditEntry, rows)

    def _row(self, entry: Entry) -> dict[str, object]:
        fields: dict[str, object] = {
            "operator": entry.operator,
            "action": str(entry.action),
            "subject": entry.subject,
            "tenant": entry.tenant,
            "detail": entry.detail,
            "client": entry.client,
        }
        logger.info("operator's action", extra=fields)
        return {"id": secrets.token_hex(16), "at_ms": now_ms(), **fields}
