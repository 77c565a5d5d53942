"""All calls in one list, the newest first: those that are open, from Redis, and those that are over, from the database.

Both are in the order of their opening, so that one cursor goes over both. A call that ends while pages are read comes
once, or, until its record is written, not at all: that takes a second or two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tasks.records.call_filter import MOST_CALLS, CallFilter, cursor_of, parse_cursor
from tasks.records.on_demand import CallRecords
from tasks.records.results import CallDetails, StoredCall
from tasks.redis_client import within_deadline
from tasks.rooms import Room, State
from tasks.rooms.open_rooms import OpenRooms

T = TypeVar("T")

ALL = CallFilter()


@dataclass(frozen=True, slots=True)
class DirectoryPage:
    """A page of calls: a `Room` for one that is open, or that has no end in its record yet.

    `next_cursor`: for the page after it, None for the last one. A page that is not the last may have fewer calls.
    """

    calls: tuple[Room | StoredCall, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class FoundCall:
    """One call. `room`: as Redis has it, None if it has forgotten it. `record`: what is written of it so far.

    At least one of them is there. They are of the same call, unless the room was opened again: then of the newer one.
    """

    room: Room | None
    record: CallDetails | None

    @property
    def tenant(self) -> str:
        """The tenant that the call belongs to."""
        return self.room.tenant if self.room else self.record.call.tenant if self.record else ""


class CallDirectory:
    """The calls of one Redis and one database.

    `redis_seconds`: the deadline of Redis. Every method raises RedisUnavailable, and what `RecordStore` raises.
    """

    def __init__(self, rooms: OpenRooms, records: CallRecords, *, redis_seconds: float) -> None:
        self._rooms = rooms
        self._records = records
        self._redis_seconds = redis_seconds

    async def list_calls(
        self,
        wanted: CallFilter = ALL,
        *,
        states: frozenset[State] | None = None,
        recorded: bool = True,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DirectoryPage:
        """Return a page of calls, the newest first. Raises InvalidCursor.

        `states`: the states of open calls to list; none if it is empty, all if it is None. `recorded`: list those that
        are over, too.
        """
        limit = max(1, min(limit, MOST_CALLS))
        before = None if cursor is None else parse_cursor(cursor)
        found: list[Room | StoredCall] = []
        if (states is None or states) and not wanted.excludes_open:
            found += await self._answer(self._open(wanted, states, before, limit + 1))
        more = len(found) > limit
        if recorded:
            open_now = {(room.sid, room.opened_ms) for room in found}
            page = await self._records.list_calls(wanted, cursor=cursor, limit=limit)
            found += [call for call in page.calls if (call.sid, call.opened_ms) not in open_now]
            more = more or page.next_cursor is not None
            found.sort(key=lambda call: (call.opened_ms, call.sid), reverse=True)
        more = more or len(found) > limit
        read = found[:limit]
        calls = await self._answer(self._without_unfinished(read, states))
        return DirectoryPage(calls, cursor_of(read[-1].opened_ms, read[-1].sid) if read and more else None)

    async def get_call(self, sid: str, *, tenant: str | None = None) -> FoundCall | None:
        """Return a call, of this tenant if one is given; None if there is no such call."""
        rooms = await self._answer(self._rooms.read([sid]))
        room = next((room for room in rooms if tenant in {None, room.tenant}), None)
        record = await self._records.get_call(sid, tenant=tenant)
        if room is not None and record is not None and record.call.opened_ms != room.opened_ms and room.opened_ms:
            # A room that was opened again: the record is of an earlier call, or Redis has not the newest one any more.
            older = record.call.opened_ms < room.opened_ms
            room, record = (room, None) if older else (None, record)
        return FoundCall(room, record) if room or record else None

    async def _without_unfinished(
        self, calls: Sequence[Room | StoredCall], states: frozenset[State] | None
    ) -> tuple[Room | StoredCall, ...]:
        """Return these calls; of one whose record has no end what Redis has of it, if it is to be listed."""
        unfinished = [call.sid for call in calls if isinstance(call, StoredCall) and call.state is None]
        rooms = {(room.sid, room.opened_ms): room for room in await self._rooms.read(unfinished)} if unfinished else {}
        current = [rooms.get((call.sid, call.opened_ms), call) for call in calls]
        return tuple(call for call in current if not isinstance(call, Room) or _is_listed(call, states))

    async def _open(
        self, wanted: CallFilter, states: frozenset[State] | None, before: tuple[int, str] | None, limit: int
    ) -> list[Room]:
        found: list[Room] = []
        if wanted.until_ms is not None:
            end = (wanted.until_ms, "")
            before = end if before is None else min(before, end)
        rooms = self._rooms.newest_first(wanted.tenant, before=before, name=wanted.name, number=wanted.number)
        async for room in rooms:
            if wanted.since_ms is not None and room.opened_ms < wanted.since_ms:
                break
            if wanted.matches_open(room) and (states is None or room.state in states):
                found.append(room)
                if len(found) == limit:
                    break
        return found

    async def _answer(self, reading: Awaitable[T]) -> T:
        return await within_deadline(reading, self._redis_seconds)


def _is_listed(room: Room, states: frozenset[State] | None) -> bool:
    return states is None or not room.state.is_open or room.state in states
