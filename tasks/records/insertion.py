"""The writing of records: any number of times, in any order, and by several writers, with the same result.

A record is written once: the first one of an attempt, or of a call, stays. Only a failover in which Redis loses writes
can make another one of the same, and that one is reported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Table, case, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from tasks.records.entries import Rows, Values
from tasks.records.models import Attempt, Base, Call, ProviderFailure, RejectedEntry, Usage

logger = logging.getLogger("switchboard.tasks.records")

_CALL_KEY = ["sid", "opened_ms"]
# Of a call of which no attempt has ended yet.
_OPEN: Values = {
    "state": None,
    "outcome": "",
    "ended_by": None,
    "public_reason": "",
    "attempts": None,
    "first_claimed_ms": None,
    "ended_ms": None,
    "steps": {},
    "erased_ms": None,
    "entry": None,
}


async def insert_records(connection: AsyncConnection, records: Iterable[Rows]) -> None:
    """Write records, in the connection's transaction."""
    ordered = sorted(records, key=lambda rows: rows.key)
    attempts = [rows for rows in ordered if rows.attempt is not None]
    await _insert_calls(connection, [{**_OPEN, **rows.call} for rows in attempts], over=False)
    await _insert_calls(connection, [{**_OPEN, **rows.call} for rows in ordered if rows.is_over], over=True)
    await insert_missing(connection, Attempt, [cast("Values", rows.attempt) for rows in attempts])
    others = await _second_records(connection, ordered)
    for rows in ordered:
        if rows.entry in others:
            fields = {"sid": rows.call["sid"], "entry": rows.entry, "first": others[rows.entry]}
            logger.warning("a second record of the same; the first stays", extra=fields)
    firsts = [rows for rows in attempts if rows.entry not in others]
    await insert_missing(connection, Usage, [row for rows in firsts for row in rows.usage])
    await insert_missing(connection, ProviderFailure, [row for rows in firsts for row in rows.failures])


async def reject_entry(connection: AsyncConnection, values: Values) -> None:
    """Keep an entry aside."""
    await insert_missing(connection, RejectedEntry, [values])


async def _insert_calls(connection: AsyncConnection, rows: Sequence[Values], *, over: bool) -> None:
    """Write calls. `over`: from the record of the call itself, which knows all; else from the record of an attempt."""
    if not rows:
        return
    insert = _insert_of(connection)(Call.__table__)
    new, old = insert.excluded, Call.__table__.c
    # What was erased is not written again.
    changes: Values = {"number": case((old.erased_ms.is_(None), func.coalesce(old.number, new.number)))}
    if over:
        changes |= {name: new[name] for name in rows[0].keys() - {*_CALL_KEY, "number", "erased_ms", "name"}}
        changes["name"] = case((old.erased_ms.is_(None), new.name), else_=old.name)
    else:
        later = new.attempt > old.attempt
        changes |= {name: case((later, new[name]), else_=old[name]) for name in ("attempt", "worker")}
    changing = insert.on_conflict_do_update(index_elements=_CALL_KEY, set_=changes, where=old.state.is_(None))
    await connection.execute(changing, rows)


async def insert_missing(connection: AsyncConnection, table: type[Base], rows: Sequence[Values]) -> None:
    """Insert the rows whose primary key is not there yet."""
    if rows:
        insert = _insert_of(connection)(cast("Table", table.__table__))
        await connection.execute(insert.on_conflict_do_nothing(), rows)


async def _second_records(connection: AsyncConnection, records: Sequence[Rows]) -> dict[str, str]:
    """Return the entries that are not those that were written, each with the one that was."""
    sids = {rows.call["sid"] for rows in records}
    attempts = await connection.execute(
        select(Attempt.sid, Attempt.opened_ms, Attempt.attempt, Attempt.entry).where(Attempt.sid.in_(sids))
    )
    calls = await connection.execute(select(Call.sid, Call.opened_ms, Call.entry).where(Call.sid.in_(sids)))
    of_attempts = {(row.sid, row.opened_ms, row.attempt): row.entry for row in attempts}
    of_calls = {(row.sid, row.opened_ms): row.entry for row in calls}
    others = {}
    for rows in records:
        call = rows.call
        written = (
            of_calls[call["sid"], call["opened_ms"]]
            if rows.is_over
            else of_attempts[call["sid"], call["opened_ms"], call["attempt"]]
        )
        if written != rows.entry:
            others[rows.entry] = str(written)
    return others


def _insert_of(connection: AsyncConnection) -> Any:
    return postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
