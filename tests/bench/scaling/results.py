"""All that was measured, as it is kept in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from tests.bench.machine import Machine
from tests.bench.scaling.call import Kept, Talk
from tests.bench.scaling.cost import Cost
from tests.bench.scaling.fixture import Filled
from tests.bench.scaling.idle import Standing
from tests.bench.scaling.ramp import Level, Plan
from tests.bench.scaling.receivers import Received

DIGITS = 3


@dataclass(frozen=True, slots=True)
class Surge:
    """The rates that were tried, with so many rooms open besides."""

    rooms: int
    plan: Plan
    levels: list[Level]

    @property
    def most(self) -> Level | None:
        """The highest rate that had no limit."""
        return next((level for level in reversed(self.levels) if not level.limit(self.plan.limit_ms)), None)


@dataclass(frozen=True, slots=True)
class Results:
    """By the number of open rooms, but for the last two. A part that was not measured is empty."""

    machine: Machine
    talk: Talk
    filled: dict[int, Filled] = field(default_factory=dict)
    call: dict[int, list[Cost]] = field(default_factory=dict)
    kept: dict[int, Kept] = field(default_factory=dict)
    line: dict[int, list[Cost]] = field(default_factory=dict)
    sweeps: dict[int, list[Cost]] = field(default_factory=dict)
    looks: dict[int, list[Cost]] = field(default_factory=dict)
    receivers: dict[int, Received] = field(default_factory=dict)
    standing: list[Standing] = field(default_factory=list)
    surge: Surge | None = None

    def after(self, older: Results) -> Results:
        """These, and of the older ones the parts that were not measured again."""
        parts = ("filled", "call", "kept", "line", "sweeps", "looks", "receivers", "standing", "surge")
        return replace(self, **{part: getattr(self, part) or getattr(older, part) for part in parts})

    def to_json(self) -> str:
        """With every sample."""
        return json.dumps(_rounded(_ADAPTER.dump_python(self)), separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """The inverse of `to_json`, but for digits that mean nothing. Raises ValueError."""
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
