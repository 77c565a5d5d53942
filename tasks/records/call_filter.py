"""The filter of a search for calls, and the cursors of its pages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.records.errors import InvalidCursor
from tasks.rooms import AttemptEnding, CallState, EndedBy, Room

_CURSOR = re.compile(r"(\d{1,15})\.(.{1,200})", re.DOTALL)
MOST_CALLS = 1000
"""Calls of one page."""


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

    @property
    def excludes_open(self) -> bool:
        """True if it asks for an end, which an open room has not, nor an attempt that is known to have ended."""
        return any(each is not None for each in (self.state, self.outcome, self.ended_by, self.ending))

    def matches_open(self, room: Room) -> bool:
        """Return whether an open room matches."""
        return (
            not self.excludes_open
            and self.tenant in {None, room.tenant}
            and self.sid in {None, room.sid}
            and (self.since_ms is None or room.opened_ms >= self.since_ms)
            and (self.until_ms is None or room.opened_ms < self.until_ms)
            and _text_matches(room.name, self.name)
            and _text_matches(room.number, self.number)
        )


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
