"""One row of the result: a number of ours, the built-in one's, and the goal that they are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.bench.stats import Sample


@dataclass(frozen=True, slots=True)
class Goal:
    """`words`: the goal as the table has it. `reached`: whether these two, ours and the built-in one's, are it."""

    words: str
    reached: Callable[[float | None, float | None], bool]


def at_most(limit: float, unit: str = "") -> Goal:
    """Ours is up to the limit."""
    return Goal(f"≤ {limit:g} {unit}".strip(), lambda ours, _: ours is not None and ours <= limit)


def all_of_them() -> Goal:
    """Ours is 100 %."""
    return Goal("100 %", lambda ours, _: ours == 100)


def at_most_times(factor: float) -> Goal:
    """Ours is up to the built-in one's, times the factor."""
    return Goal(
        f"≤ {factor:.2f} of built-in",
        lambda ours, builtin: ours is not None and builtin is not None and ours <= factor * builtin,
    )


def at_least_times(factor: float) -> Goal:
    """Ours is at least the built-in one's, times the factor."""
    return Goal(
        f"≥ {factor:.2f} of built-in",
        lambda ours, builtin: ours is not None and builtin is not None and ours >= factor * builtin,
    )


def only_ours_within(limit: float, unit: str) -> Goal:
    """Ours is up to the limit, and the built-in one never came."""
    return Goal(
        f"≤ {limit:g} {unit}, built-in never",
        lambda ours, builtin: ours is not None and ours <= limit and builtin is None,
    )


def measured() -> Goal:
    """There is a number."""
    return Goal("measured", lambda ours, _: ours is not None)


@dataclass(frozen=True, slots=True)
class Row:
    """A row. `missing`: what the table says where there is no number. `samples`: what the numbers were made of."""

    figure: str
    unit: str
    ours: float | None
    builtin: float | None = None
    goal: Goal | None = None
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    missing: str = ""

    @classmethod
    def of(
        cls,
        figure: str,
        unit: str,
        values: Mapping[str, float | None],
        goal: Goal | None = None,
        samples: Mapping[str, Sequence[Sample]] | None = None,
    ) -> Self:
        """The row of two values, by the names of the sides."""
        return cls(figure, unit, values["ours"], values["builtin"], goal, samples or {})

    @property
    def ratio(self) -> float | None:
        """Ours over the built-in one's."""
        return self.ours / self.builtin if self.ours is not None and self.builtin else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met. None: there is none."""
        return None if self.goal is None else self.goal.reached(self.ours, self.builtin)

    def as_json(self) -> dict[str, object]:
        """As `latest.json` has it."""
        return {
            "figure": self.figure,
            "unit": self.unit,
            "ours": _rounded(self.ours),
            "builtin": _rounded(self.builtin),
            "ratio": _rounded(self.ratio),
            "goal": None if self.goal is None else self.goal.words,
            "met": self.met,
            "samples": {name: [_rounded(sample) for sample in values] for name, values in self.samples.items()},
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def missed(rows: Sequence[Row]) -> bool:
    """Whether any goal is not met."""
    return any(row.met is False for row in rows)
