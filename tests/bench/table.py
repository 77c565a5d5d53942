"""The figures, in an order in which the sides are rarely restarted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.bench.figures import ahead, bursts, calls, cost, density, intake, killed, pickup
from tests.bench.pair import Pairs
from tests.bench.row import Row
from tests.bench.size import Size

Measure = Callable[[Pairs, Size], Awaitable[list[Row]]]

FIGURES: dict[str, Measure] = {
    "calls": calls.measure,
    "ahead": ahead.measure,
    "bursts": bursts.measure,
    "killed": killed.measure,
    "cost": cost.measure,
    "density": density.measure,
    "pickup": pickup.measure,
    "intake": intake.measure,
}
