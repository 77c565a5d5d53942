"""A history: what callers, backends, agents and faults do, and when. All times are seconds since its begin."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

Kind = Literal["person", "telephone", "hidden", "hangs up"]
"""`hangs up`: the client goes away while it connects."""
Voice = Literal["asks", "silent", "talks over", "mutes"]


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of a caller in its room. `identity`: that of a visit before, if the caller joins as the same one."""

    begin: float
    end: float
    identity: str
    kind: Kind = "person"
    voice: Voice = "asks"


@dataclass(frozen=True, slots=True)
class CallerPlan:
    """A caller, with visits one after another. Where two overlap, the server throws out the first."""

    name: str
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True)
class BackendPlan:
    """An act of a backend on a room: `makes`, `deletes`, or `names the tenant` (in metadata that comes late)."""

    name: str
    act: Literal["makes", "deletes", "names the tenant"]
    at: float


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """A room. `agent`: a name in `tenants.AGENTS`. `turn`, `seconds`: when the agent does what it does.

    `behaviours`: the names of what its callers and backends do, for the report's table.
    """

    name: str
    agent: str
    tier: str
    turn: int
    seconds: float
    callers: tuple[CallerPlan, ...]
    backends: tuple[BackendPlan, ...] = ()
    behaviours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault. `seconds`: until it is undone. `target`: an index, of whatever the fault hits."""

    name: str
    kind: str
    at: float
    seconds: float
    target: int


@dataclass(frozen=True, slots=True)
class History:
    """A history, by the seed and the number that make it."""

    seed: int
    number: int
    seconds: float
    rooms: tuple[RoomPlan, ...]
    faults: tuple[FaultPlan, ...]

    def without(self, names: Iterable[str]) -> Self:
        """Return the history without the rooms, callers, backends' acts and faults of these names."""
        left_out = set(names)
        rooms = (
            replace(
                room,
                callers=tuple(caller for caller in room.callers if caller.name not in left_out),
                backends=tuple(act for act in room.backends if act.name not in left_out),
            )
            for room in self.rooms
            if room.name not in left_out
        )
        faults = (fault for fault in self.faults if fault.name not in left_out)
        return replace(self, rooms=tuple(rooms), faults=tuple(faults))

    def to_json(self) -> str:
        """Return the plan, for people."""
        return json.dumps(asdict(self), indent=1)
