"""The figures, in an order in which the sides are rarely restarted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.bench.figures import ahead, bursts, calls, cost, density, full_host, intake, killed, peers, pickup, reply
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
    "reply": reply.measure,
    "density": density.measure,
    "peers": peers.measure,
    "pickup": pickup.measure,
    "intake": intake.measure,
    "full_host": full_host.measure,
}
