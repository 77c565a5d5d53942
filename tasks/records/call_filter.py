"""The filter of a search for calls, and the cursors of its pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from tasks.records.errors import InvalidCursor
from tasks.records.models import Attempt, Call
from tasks.rooms import AttemptEnding, CallState, EndedBy, Room

_CURSOR = re.compile(r"(\d{1,15})\.(.{1,200})", re.DOTALL)
_LAST = "\U0010ffff"
"""Greater than what any text continues with."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """The calls to find: those that match all that is given. Times are unix ms: `since_ms` <= opened < `until_ms`.

    `name`, `number`: the whole, or the beginning if it ends with `*`. `ending`: one of its attempts has ended so.
    """

    tenant: str | None = None
    name: str | None = None
    sid: str | None = None
    number: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    state: CallState | None = None
    outcome: str | None = None
    ended_by: EndedBy | None = None
    ending: AttemptEnding | None = None

    def apply(self, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
        """Return the query with this filter."""
        for column, value in ((Call.name, self.name), (Call.number, self.number)):
            if value is not None:
                query = query.where(_matches(column, value))
        for column, value in (
            (Call.tenant, self.tenant),
            (Call.sid, self.sid),
            (Call.state, self.state),
            (Call.outcome, self.outcome),
            (Call.ended_by, self.ended_by),
        ):
            if value is not None:
                query = query.where(column == str(value))
        if self.since_ms is not None:
            query = query.where(Call.opened_ms >= self.since_ms)
        if self.until_ms is not None:
            query = query.where(Call.opened_ms < self.until_ms)
        if self.ending is not None:
            of_call = and_(Attempt.sid == Call.sid, Attempt.opened_ms == Call.opened_ms)
            query = query.where(exists().where(of_call, Attempt.ending == str(self.ending)))
        return query

    def matches_open(self, room: Room) -> bool:
        """Return whether an open room matches, which has no end yet, and no attempt that is known to have ended."""
        if self.state is not None or self.outcome is not None or self.ended_by is not None or self.ending is not None:
            return False
        return (
            self.tenant in {None, room.tenant}
            and self.sid in {None, room.sid}
            and (self.since_ms is None or room.opened_ms >= self.since_ms)
            and (self.until_ms is None or room.opened_ms < self.until_ms)
            and _text_matches(room.name, self.name)
            and _text_matches(room.number, self.number)
        )


def after_cursor(query: Select[*tuple[Any, ...]], cursor: str | None) -> Select[*tuple[Any, ...]]:
    """Return the query for the calls after a cursor, the newest first. Raises InvalidCursor."""
    if cursor is not None:
        opened_ms, sid = parse_cursor(cursor)
        query = query.where(tuple_(Call.opened_ms, Call.sid) < tuple_(literal(opened_ms), literal(sid)))
    return query.order_by(Call.opened_ms.desc(), Call.sid.desc())


def cursor_of(opened_ms: int, sid: str) -> str:
    """Return the cursor of the calls after this one."""
    return f"{opened_ms}.{sid}"


def parse_cursor(cursor: str) -> tuple[int, str]:
    """Return the opening and the sid of the call after which a page begins. Raises InvalidCursor."""
    parsed = _CURSOR.fullmatch(cursor)
    if parsed is None:
        raise InvalidCursor(cursor=cursor)
    return int(parsed[1]), parsed[2]


def _text_matches(text: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted


def _matches(column: InstrumentedAttribute[Any], value: str) -> ColumnElement[bool]:
    if not value.endswith("*"):
        return column == value
    beginning = value.removesuffix("*")
    return and_(column >= beginning, column < beginning + _LAST)
