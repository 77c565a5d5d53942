"""What was seen in a history. All times are seconds since its begin."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from ops.caller.recording import Interval
from tests.campaign.history import History, RoomPlan, Visit


class HistoryClock:
    """The clock of a history."""

    def __init__(self) -> None:
        self.unix = time.time()
        self._zero = time.monotonic()

    def now(self) -> float:
        """Return the seconds since the history began."""
        return time.monotonic() - self._zero

    def of_unix(self, seconds: float) -> float:
        """Convert unix time in seconds."""
        return seconds - self.unix


class Event(NamedTuple):
    """An event, for the timeline: at what time, of whom or what, and what it was."""

    at: float
    subject: str
    text: str


@dataclass(slots=True)
class AgentSeen:
    """An agent in the room, as a caller sees it. `end`: None while it is there."""

    identity: str
    begin: float
    end: float | None = None


@dataclass(slots=True)
class VisitSeen:
    """A visit, as the caller noticed it.

    `joined`: None if it has never connected. `told`: when a reason why no agent comes was read, and the reason.
    `thrown_out`: when the server ended it, and the client's reason.
    """

    caller: str
    plan: Visit
    sid: str = ""
    joined: float | None = None
    left: float | None = None
    asks: list[Interval] = field(default_factory=list)
    sounds: dict[str, list[Interval]] = field(default_factory=dict)
    agents: list[AgentSeen] = field(default_factory=list)
    told: tuple[float, str] | None = None
    thrown_out: tuple[float, str] | None = None
    muted: list[Interval] = field(default_factory=list)

    @property
    def until(self) -> float:
        """The end of the visit, as far as it is known."""
        return float("inf") if self.left is None else self.left


@dataclass(slots=True)
class FaultSeen:
    """A fault, as it was caused. `begin` and `end`: None where it has not yet. `problem`: why it was not undone."""

    name: str
    kind: str
    begin: float | None = None
    end: float | None = None
    detail: str = ""
    problem: str = ""


class Act(NamedTuple):
    """An act that an agent has noted. `call`: the id of a tool's call, for those."""

    at: float
    room: str
    sid: str
    attempt: int
    act: str
    seconds: float
    call: str


class Sample(NamedTuple):
    """The participants of a room at a time, as the LiveKit server lists them."""

    at: float
    agents: tuple[str, ...]
    callers: tuple[str, ...]


@dataclass(slots=True)
class RoomSeen:
    """A room, in all visits. `deleted`: when backends deleted it."""

    plan: RoomPlan
    name: str
    visits: list[VisitSeen] = field(default_factory=list)
    deleted: list[float] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


@dataclass(slots=True)
class Observations:
    """All that was seen."""

    history: History
    clock: HistoryClock
    rooms: list[RoomSeen] = field(default_factory=list)
    faults: list[FaultSeen] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def note(self, subject: str, text: str) -> None:
        """Note an event of now."""
        self.events.append(Event(self.clock.now(), subject, text))
