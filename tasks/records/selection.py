"""The conditions of a search for calls, in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from tasks.records.call_filter import CallFilter, parse_cursor
from tasks.records.models import Attempt, Call

Query = Select[*tuple[Any, ...]]

_LAST = "\U0010ffff"
"""Greater than what any text continues with."""


def apply_filter(wanted: CallFilter, query: Query) -> Query:
    """Return the query for the calls that match the filter."""
    for column, value in ((Call.name, wanted.name), (Call.number, wanted.number)):
        if value is not None:
            query = query.where(_matches(column, value))
    if wanted.number is not None:
        # An erasure that has begun keeps the number for itself.
        query = query.where(Call.erased_ms.is_(None))
    for column, value in (
        (Call.tenant, wanted.tenant),
        (Call.sid, wanted.sid),
        (Call.state, wanted.state),
        (Call.outcome, wanted.outcome),
        (Call.ended_by, wanted.ended_by),
    ):
        if value is not None:
            query = query.where(column == str(value))
    if wanted.since_ms is not None:
        query = query.where(Call.opened_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        query = query.where(Call.opened_ms < wanted.until_ms)
    if wanted.ending is not None:
        of_call = and_(Attempt.sid == Call.sid, Attempt.opened_ms == Call.opened_ms)
        query = query.where(exists().where(of_call, Attempt.ending == str(wanted.ending)))
    return query


def after_cursor(query: Query, cursor: str | None) -> Query:
    """Return the query for the calls after a cursor, the newest first. Raises InvalidCursor."""
    if cursor is not None:
        opened_ms, sid = parse_cursor(cursor)
        query = query.where(tuple_(Call.opened_ms, Call.sid) < tuple_(literal(opened_ms), literal(sid)))
    return query.order_by(Call.opened_ms.desc(), Call.sid.desc())


def _matches(column: InstrumentedAttribute[Any], value: str) -> ColumnElement[bool]:
    if not value.endswith("*"):
        return column == value
    beginning = value.removesuffix("*")
    return and_(column >= beginning, column < beginning + _LAST)
