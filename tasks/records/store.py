"""Queries on the records of calls."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tasks.records.call_filter import MOST_CALLS, CallFilter, cursor_of
from tasks.records.database import Database
from tasks.records.models import Attempt, Call, ProviderFailure, Usage
from tasks.records.results import (
    CallDetails,
    CallPage,
    ProviderProblem,
    StoredAttempt,
    StoredCall,
    TenantUsage,
    UsageLine,
)
from tasks.records.selection import Query, after_cursor, apply_filter
from tasks.rooms import AttemptEnding, CallState, EndedBy, LossCause

ALL = CallFilter()


class RecordStore:
    """The records of calls. Every method raises the errors that the package's docstring names.

    `tenant`: where it is given, calls of others are as good as unknown. None: of every tenant.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_calls(self, wanted: CallFilter = ALL, *, cursor: str | None = None, limit: int = 50) -> CallPage:
        """Return a page of calls, the newest first. Raises InvalidCursor.

        A cursor stays good for ever, also with another limit. Calls that come later are before it.
        """
        limit = max(1, min(limit, MOST_CALLS))
        query = after_cursor(apply_filter(wanted, select(Call.__table__)), cursor).limit(limit + 1)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(query)).all()
        calls = tuple(map(_call, rows[:limit]))
        more = len(rows) > limit
        return CallPage(calls, cursor_of(calls[-1].opened_ms, calls[-1].sid) if more else None)

    async def get_call(
        self, sid: str, *, opened_ms: int | None = None, tenant: str | None = None
    ) -> CallDetails | None:
        """Return a call with its attempts, the room's newest one if `opened_ms` does not name another; or None."""
        query = _of_tenant(select(Call.__table__).where(Call.sid == sid), tenant)
        if opened_ms is not None:
            query = query.where(Call.opened_ms == opened_ms)
        async with self._database.transaction() as connection:
            row = (await connection.execute(query.order_by(Call.opened_ms.desc()).limit(1))).first()
            if row is None:
                return None
            attempts = await _attempts(connection, row.sid, row.opened_ms)
        return CallDetails(_call(row), dict(row.steps), attempts)

    async def usage(self, *, since_ms: int, until_ms: int, tenant: str | None = None) -> tuple[TenantUsage, ...]:
        """Return the usage of each tenant's calls that were opened in a period, by kind, provider, model and unit."""
        async with self._database.transaction() as connection:
            calls = await connection.execute(_period(_CALLS, Call, since_ms, until_ms, tenant))
            seconds = await connection.execute(_period(_DURATIONS, Attempt, since_ms, until_ms, tenant))
            amounts = await connection.execute(_period(_AMOUNTS, Usage, since_ms, until_ms, tenant))
        lines: defaultdict[str, list[UsageLine]] = defaultdict(list)
        for row in amounts:
            lines[row.tenant].append(UsageLine(row.kind, row.provider, row.model, row.unit, row.amount))
        duration_ms = {row.tenant: row.duration_ms for row in seconds}
        counted = {row.tenant: (row.calls, row.answered) for row in calls}
        return tuple(
            TenantUsage(
                name,
                *counted.get(name, (0, 0)),
                seconds=int(duration_ms.get(name) or 0) / 1000,
                lines=tuple(sorted(lines[name], key=_order)),
            )
            for name in sorted({*counted, *duration_ms, *lines})
        )


_CALLS = select(Call.tenant, func.count().label("calls"), func.count(Call.first_claimed_ms).label("answered"))
_DURATIONS = select(Attempt.tenant, func.sum(Attempt.duration_ms).label("duration_ms"))
_BY_MODEL = (Usage.kind, Usage.provider, Usage.model, Usage.unit)
_AMOUNTS = select(Usage.tenant, *_BY_MODEL, func.sum(Usage.amount).label("amount"))


def _period(
    query: Query, table: type[Call | Attempt | Usage], since_ms: int, until_ms: int, tenant: str | None
) -> Query:
    query = query.where(table.opened_ms >= since_ms, table.opened_ms < until_ms)
    if tenant is not None:
        query = query.where(table.tenant == tenant)
    return query.group_by(table.tenant, *(_BY_MODEL if table is Usage else ()))


def _of_tenant(query: Query, tenant: str | None) -> Query:
    return query if tenant is None else query.where(Call.tenant == tenant)


async def _attempts(connection: AsyncConnection, sid: str, opened_ms: int) -> tuple[StoredAttempt, ...]:
    def of_call(table: type[Attempt | Usage | ProviderFailure]) -> Query:
        return select(table.__table__).where(and_(table.sid == sid, table.opened_ms == opened_ms))

    usage: defaultdict[int, list[UsageLine]] = defaultdict(list)
    for row in await connection.execute(of_call(Usage)):
        usage[row.attempt].append(UsageLine(row.kind, row.provider, row.model, row.unit, row.amount))
    problems: defaultdict[int, list[ProviderProblem]] = defaultdict(list)
    for row in await connection.execute(of_call(ProviderFailure).order_by(ProviderFailure.position)):
        problem = ProviderProblem(row.kind, row.provider, row.error, row.times, row.fallback)
        problems[row.attempt].append(problem)
    rows = await connection.execute(of_call(Attempt).order_by(Attempt.attempt))
    return tuple(_attempt(row, usage[row.attempt], problems[row.attempt]) for row in rows)


def _call(row: Row[Any]) -> StoredCall:
    return StoredCall(
        sid=row.sid,
        opened_ms=row.opened_ms,
        name=row.name,
        tenant=row.tenant,
        tier=row.tier,
        # It is there until all of an erasure that has begun is done.
        number=None if row.erased_ms is not None else row.number,
        state=None if row.state is None else CallState(row.state),
        outcome=row.outcome,
        ended_by=None if row.ended_by is None else EndedBy(row.ended_by),
        public_reason=row.public_reason,
        attempts=row.attempts,
        attempt=row.attempt,
        worker=row.worker,
        first_claimed_ms=row.first_claimed_ms,
        ended_ms=row.ended_ms,
        erased_ms=row.erased_ms,
    )


def _attempt(row: Row[Any], usage: list[UsageLine], problems: list[ProviderProblem]) -> StoredAttempt:
    return StoredAttempt(
        attempt=row.attempt,
        worker=row.worker,
        version=row.version,
        ending=AttemptEnding(row.ending),
        cause=None if row.cause is None else LossCause(row.cause),
        reason=row.reason,
        uncounted=row.uncounted,
        handed_over=row.handed_over,
        first_heard_ms=row.first_heard_ms,
        lost_before_ms=row.lost_before_ms,
        claimed_ms=row.claimed_ms,
        ended_ms=row.ended_ms,
        steps_ms=dict(row.steps),
        turns=row.turns,
        interruptions=row.interruptions,
        replies_ms=tuple(row.replies_ms),
        usage=tuple(sorted(usage, key=_order)),
        problems=tuple(problems),
    )


def _order(line: UsageLine) -> tuple[str, str, str, str]:
    return line.kind, line.provider, line.model, line.unit
