"""One row of the report: Switchboard's number, the built-in dispatch's, and a goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.bench.stats import Sample


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal. `text`: as the table shows it. `reached`: whether the two numbers, ours and built-in, reach it."""

    text: str
    reached: Callable[[float | None, float | None], bool]


def at_most(limit: float, unit: str = "") -> Goal:
    """Require ours to be at most the limit."""
    return Goal(f"≤ {limit:g} {unit}".strip(), lambda ours, _: ours is not None and ours <= limit)


def at_least(limit: float) -> Goal:
    """Require ours to be at least the limit."""
    return Goal(f"≥ {limit:g}", lambda ours, _: ours is not None and ours >= limit)


def one_hundred_percent() -> Goal:
    """Require ours to be 100 %."""
    return Goal("100 %", lambda ours, _: ours == 100)


def at_most_factor(factor: float) -> Goal:
    """Require ours to be at most the factor times built-in."""
    return Goal(
        f"≤ {factor:.2f} of built-in",
        lambda ours, builtin: ours is not None and builtin is not None and ours <= factor * builtin,
    )


def at_least_factor(factor: float) -> Goal:
    """Require ours to be at least the factor times built-in."""
    return Goal(
        f"≥ {factor:.2f} of built-in",
        lambda ours, builtin: ours is not None and builtin is not None and ours >= factor * builtin,
    )


def within_and_builtin_never(limit: float, unit: str) -> Goal:
    """Require ours to be at most the limit, and built-in to have no number."""
    return Goal(
        f"≤ {limit:g} {unit}, built-in never",
        lambda ours, builtin: ours is not None and ours <= limit and builtin is None,
    )


def any_number() -> Goal:
    """Require a number, whatever it is."""
    return Goal("measured", lambda ours, _: ours is not None)


@dataclass(frozen=True, slots=True)
class Row:
    """A row. `missing`: the table's text for a missing number. `samples`: the samples of the numbers.

    `peers`: the number of each peer, or the reason why it has none.
    """

    figure: str
    unit: str
    ours: float | None
    builtin: float | None = None
    goal: Goal | None = None
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    missing: str = ""
    peers: Mapping[str, float | str | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        figure: str,
        unit: str,
        values: Mapping[str, float | None],
        goal: Goal | None = None,
        samples: Mapping[str, Sequence[Sample]] | None = None,
    ) -> Self:
        """Return a row of two values by the names of their sides."""
        return cls(figure, unit, values["ours"], values["builtin"], goal, samples or {})

    @property
    def ratio(self) -> float | None:
        """Ours divided by built-in."""
        return self.ours / self.builtin if self.ours is not None and self.builtin else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        return None if self.goal is None else self.goal.reached(self.ours, self.builtin)

    def as_json(self) -> dict[str, object]:
        """Return the row as `latest.json` has it."""
        return {
            "figure": self.figure,
            "unit": self.unit,
            "ours": _rounded(self.ours),
            "builtin": _rounded(self.builtin),
            "ratio": _rounded(self.ratio),
            "goal": None if self.goal is None else self.goal.text,
            "met": self.met,
            "samples": {name: [_rounded(sample) for sample in values] for name, values in self.samples.items()},
            **({"peers": {name: _rounded_number(value) for name, value in self.peers.items()}} if self.peers else {}),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _rounded_number(value: float | str | None) -> float | str | None:
    return value if isinstance(value, str) else _rounded(value)


def missed(rows: Sequence[Row]) -> bool:
    """Return whether any goal is missed."""
    return any(row.met is False for row in rows)
