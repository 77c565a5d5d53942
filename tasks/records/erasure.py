"""The erasure of records, with its entry in the audit log in the same transaction: none is there without the other.

`begin` marks the calls of a room as erased and takes its name; what still comes of them is not kept from then on. The
number is shown to nobody any more, and stays until `finish`: an erasure by number that broke off in between, as the
object store was away, finds the call again.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import exists, select, update

from tasks.records.database import Database
from tasks.records.insertion import insert_missing
from tasks.records.models import AuditEntry, Call, RecordedAttempt
from tasks.settings.process import now_ms

ACTION = "erased the call"


@dataclass(frozen=True, slots=True)
class Eraser:
    """The one who erases, for the audit log. Nothing of what is erased may be in it: the entry stays.

    `client`: an address or a host. `request`: the same each time that one request is tried, which is one entry; "" if
    each time is an entry of its own.
    """

    name: str
    detail: str = ""
    client: str = ""
    request: str = ""


class RecordErasure:
    """The erasure of calls' records. Every method raises the errors that the package's docstring names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, number: str) -> list[str]:
        """Return the sids of the rooms with calls of a number, also where an erasure has begun and not finished."""
        query = select(Call.sid).where(Call.number == number).distinct().order_by(Call.sid)
        async with self._database.transaction() as connection:
            return list((await connection.execute(query)).scalars())

    async def is_written(self, sid: str, opened_ms: int) -> bool:
        """Return whether the record of a call that is over is there, so that none comes later."""
        query = select(exists().where(Call.sid == sid, Call.opened_ms == opened_ms, Call.state.is_not(None)))
        async with self._database.transaction() as connection:
            return bool((await connection.execute(query)).scalar())

    async def begin(
        self, sid: str, eraser: Eraser, *, tenant: str | None = None, unrecorded: str | None = None
    ) -> str | None:
        """Begin to erase a room's calls. Returns their tenant, or None if there is nothing of this room to erase.

        `tenant`: only calls of this one. `unrecorded`: the tenant of a room that has no record and is to be erased all
        the same. It may be done again.
        """
        of_room = [Call.sid == sid, *([] if tenant is None else [Call.tenant == tenant])]
        now = now_ms()
        async with self._database.transaction() as connection:
            # First of all: a transaction of SQLite that has read something cannot always go on to write.
            fresh = update(Call).where(*of_room, Call.erased_ms.is_(None))
            await connection.execute(fresh.values(name="", erased_ms=now))
            query = select(Call.tenant, Call.opened_ms).where(*of_room).order_by(Call.opened_ms.desc()).limit(1)
            newest = (await connection.execute(query)).first()
            if newest is None and tenant is None and unrecorded is None:
                recorded = select(RecordedAttempt.tenant).where(RecordedAttempt.sid == sid).limit(1)
                unrecorded = (await connection.execute(recorded)).scalar()
            owner = unrecorded if newest is None else newest.tenant
            if owner is None:
                return None
            entry = {
                # A room that was opened again has another call, and its erasure another entry.
                "id": _entry_id(eraser, sid, 0 if newest is None else newest.opened_ms),
                "at_ms": now,
                "operator": eraser.name,
                "action": ACTION,
                "subject": sid,
                "tenant": owner,
                "detail": eraser.detail,
                "client": eraser.client,
            }
            await insert_missing(connection, AuditEntry, [entry])
        return str(owner)

    async def finish(self, sid: str) -> None:
        """Take the numbers of a room's calls whose erasure has begun."""
        begun = update(Call).where(Call.sid == sid, Call.erased_ms.is_not(None))
        async with self._database.transaction() as connection:
            await connection.execute(begun.values(number=None))


def _entry_id(eraser: Eraser, sid: str, opened_ms: int) -> str:
    if not eraser.request:
        return secrets.token_hex(16)
    of = "\0".join((eraser.request, sid, str(opened_ms)))
    return hashlib.sha256(of.encode()).hexdigest()[:32]
