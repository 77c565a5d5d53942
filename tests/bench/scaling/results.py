"""All results of a run, and the file that they are stored in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from tests.bench.machine import Machine
from tests.bench.scaling.call import CallProfile, Footprint
from tests.bench.scaling.cost import Cost
from tests.bench.scaling.fixture import RoomSizes
from tests.bench.scaling.idle import IdleCost
from tests.bench.scaling.ramp import Level, Plan
from tests.bench.scaling.receivers import ReceiverCost

DIGITS = 3


@dataclass(frozen=True, slots=True)
class Ramp:
    """The rates that were measured, with `rooms` other rooms open."""

    rooms: int
    plan: Plan
    levels: list[Level]

    @property
    def highest(self) -> Level | None:
        """The highest rate that reached no limit."""
        return next((level for level in reversed(self.levels) if not level.limit(self.plan.limit_ms)), None)


@dataclass(frozen=True, slots=True)
class Results:
    """The results by the number of open rooms, but for the last two. A part that was not measured is empty."""

    machine: Machine
    profile: CallProfile
    room_sizes: dict[int, RoomSizes] = field(default_factory=dict)
    call: dict[int, list[Cost]] = field(default_factory=dict)
    footprints: dict[int, Footprint] = field(default_factory=dict)
    waitlist: dict[int, list[Cost]] = field(default_factory=dict)
    sweeps: dict[int, list[Cost]] = field(default_factory=dict)
    ps: dict[int, list[Cost]] = field(default_factory=dict)
    receivers: dict[int, ReceiverCost] = field(default_factory=dict)
    idle: list[IdleCost] = field(default_factory=list)
    ramp: Ramp | None = None

    def merged_with(self, older: Results) -> Results:
        """Return these results, with older ones for the parts that were not measured again."""
        parts = ("room_sizes", "call", "footprints", "waitlist", "sweeps", "ps", "receivers", "idle", "ramp")
        return replace(self, **{part: getattr(self, part) or getattr(older, part) for part in parts})

    def to_json(self) -> str:
        """Return the results as JSON, with every sample."""
        return json.dumps(_rounded(_ADAPTER.dump_python(self)), separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Parse what `to_json` has written. Raises ValueError."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Results)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(content) for key, content in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(content) for content in value]
    return value
