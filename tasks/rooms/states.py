"""The states of a room, and what each action on it can answer. The Lua scripts return these very words."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a room is. The first three are open; the others are terminal, until the room is opened again."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"
    DEAD = "dead"

    @property
    def is_open(self) -> bool:
        """Whether somebody is waiting for, or talking to, an agent."""
        return self in {State.WAITING, State.QUEUED, State.RUNNING}


class Found(StrEnum):
    """What an opening found. `held`: it has opened the room, which waits in line, as there was no place for it.

    `ahead`: the room may be opened again, but it has had other attempts than was thought.
    """

    OPENED = "opened"
    HELD = "held"
    KNOWN = "known"
    AHEAD = "ahead"


class Refusal(StrEnum):
    """Why a claim was refused. None of them is an error: another task has done, or will do, the work."""

    UNKNOWN = "unknown"
    STALE = "stale"
    TAKEN = "taken"
    WAITING = "waiting"
    OVER = "over"


class Lease(StrEnum):
    """What a renewal found. Whoever is told `lost` leaves the room at once; `closing` asks the call to end."""

    KEPT = "kept"
    CLOSING = "closing"
    LOST = "lost"


class Closed(StrEnum):
    """What `room_finished` found."""

    CANCELLED = "cancelled"
    CLOSING = "closing"
    UNKNOWN = "unknown"
    ALREADY_OVER = "over"


class Losing(StrEnum):
    """In which way an attempt loses its call."""

    FAILED = "failed"
    IF_EXPIRED = "only if its lease has ended"
    HANDED_OVER = "handed over between two turns"


class Lost(StrEnum):
    """What became of a call that was lost."""

    REQUEUED = "requeued"
    DEAD = "dead"
    CLOSED = "closed"
    STALE = "stale"
