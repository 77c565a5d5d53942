"""All open rooms at once, cheap enough to be read every second."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Self

from tasks.rooms.records import ROOM_FIELDS, Room, room_of_values
from tasks.rooms.scripts import Script
from tasks.rooms.states import State

if TYPE_CHECKING:
    from redis.asyncio import Redis

PART = 250
"""Rooms that one script reads. Redis does nothing else meanwhile, for about 1 ms."""
MOST_PARTS = 80
"""The parts of a page that is written every second."""
_FIELDS = (
    *("state", "name", "tenant", "tier", "number", "attempt", "worker", "arrived", "opened", "at:claimed"),
    *("at:first_audio", "handed_over", "reason"),
)

Field = str | bool
"""A field of a hash; False if it is not there."""


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """An open room, as far as a list of all of them shows it. Times are unix ms, None where they are not known.

    `number`: of a caller by telephone. `opened_ms`, `arrived_ms`: when it was opened, and when it began to wait for
    this attempt. `position`: among its tenant's rooms that no worker has claimed, from 1; None once it is claimed.
    """

    sid: str
    name: str
    state: State
    tenant: str
    tier: str
    number: str
    attempt: int
    worker: str
    arrived_ms: int | None
    opened_ms: int | None
    claimed_ms: int | None
    heard_ms: int | None
    handed_over: bool
    reason: str
    position: int | None = None

    @classmethod
    def read(cls, fields: Sequence[Field], position: int | None) -> Self:
        """Return the room of a row of the script."""
        sid, state, name, tenant, tier, number, attempt, worker, arrived, opened, claimed, heard, handed, reason = (
            fields
        )
        arrived_us = _number(arrived)
        return cls(
            sid=str(sid),
            name=_text(name),
            state=State(str(state)),
            tenant=_text(tenant),
            tier=_text(tier),
            number=_text(number),
            attempt=_number(attempt) or 0,
            worker=_text(worker),
            arrived_ms=None if arrived_us is None else arrived_us // 1000,
            opened_ms=_number(opened),
            claimed_ms=_number(claimed),
            heard_ms=_number(heard),
            handed_over=handed == "1",
            reason=_text(reason),
            position=position,
        )


class RoomOverview:
    """The open rooms of one Redis. It only reads."""

    def __init__(self, redis: Redis, *, part: int = PART) -> None:
        self._part = part
        self._list_rooms = Script(redis, "list_rooms")

    async def read(self) -> list[OpenRoom]:
        """Return every open room, the oldest first. Raises `redis.RedisError` or `OSError` when Redis is away."""
        rows = [row async for row in self._rows(_FIELDS, range(MOST_PARTS))]
        positions = _positions(rows)
        return [OpenRoom.read(row, positions.get(str(row[0]))) for row in rows]

    async def rooms(self) -> list[Room]:
        """Return every open room, the oldest first, with all that `Room` has of it. Raises as `read` does."""
        rows = self._rows(ROOM_FIELDS, count())
        return [room async for sid, *values in rows if (room := room_of_values(str(sid), ROOM_FIELDS, values))]

    async def _rows(self, fields: Sequence[str], parts: Iterable[int]) -> AsyncIterator[Sequence[Field]]:
        # A room that ends between two parts moves the others up by one, so one may be missed, until next time.
        for number in parts:
            listed, encoded = await self._list_rooms(*fields, first=number * self._part, most=self._part)
            for row in json.loads(encoded):
                yield row
            if int(listed) < self._part:
                return


def _positions(rows: Sequence[Sequence[Field]]) -> dict[str, int]:
    unclaimed = [row for row in rows if row[1] != State.RUNNING]
    unclaimed.sort(key=lambda row: (row[1] == State.WAITING, _number(row[8]) or 0))
    counts: Counter[Field] = Counter()
    positions = {}
    for row in unclaimed:
        counts[row[3]] += 1
        positions[str(row[0])] = counts[row[3]]
    return positions


def _text(value: Field) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Field) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() else None
