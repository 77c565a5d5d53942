"""Which part is full first, as calls come more often: from what was measured, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.scaling.cost import Cost
from tests.bench.scaling.results import Results
from tests.bench.scaling.sweeps import QUIET, SERVER_QUIET

GIGABIT = 1e9 / 8
MAXCLIENTS = 10_000
"""Redis' default."""
SERVER_EVERY = 3.5
"""Ticks, from one look at the LiveKit server to the next."""
HOUR = 3600.0
RECORDS = 10_000
RATES = (1.0, 10.0, 50.0, 100.0)
"""Calls a second."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """So many calls a second one of it can take; None: it is not a matter of calls a second."""

    part: str
    rate: float | None
    reason: str


def per_call(costs: list[Cost], name: str) -> float:
    """A number of `Cost`, for a whole call."""
    return sum(float(getattr(cost, name)) * cost.times for cost in costs)


def tick_ms(sweeps: list[Cost]) -> float:
    """How long the reconciler's tick takes on average, where nothing is wrong."""
    wall = {cost.action: cost.p50_ms for cost in sweeps}
    return sum(wall[name] for name in QUIET) + wall[SERVER_QUIET] / SERVER_EVERY


def tick_us(sweeps: list[Cost]) -> float:
    """What it costs Redis, on average, in µs."""
    used = {cost.action: cost.cpu_us for cost in sweeps}
    return sum(used[name] for name in QUIET) + used[SERVER_QUIET] / SERVER_EVERY


def memory_bytes(results: Results, rate: float) -> float:
    """What Redis keeps when calls come at that rate all the time, and are answered at once."""
    rooms = max(results.call)
    kept, filled = results.kept[rooms], results.filled[rooms]
    running = rate * results.talk.length * (filled.running + kept.conversation)
    return running + rate * HOUR * kept.over + RECORDS * kept.record


def capacities(results: Results) -> list[Capacity]:
    """Of each part, the smallest first; those without a rate last."""
    found = []
    if results.receivers:
        received = results.receivers[max(results.receivers)]
        found.append(
            Capacity("a receiver (one process)", 1000 / received.cpu_ms, f"{received.cpu_ms:.1f} ms of CPU for a call")
        )
    if results.surge and results.surge.most:
        most = results.surge.most
        reason = f"measured: {most.requests:,.0f} requests a second, {most.redis_cpu:.0%} of its core"
        found.append(Capacity("Redis (one core)", most.rate, reason))
    if results.call:
        costs = results.call[max(results.call)]
        connections = results.kept[max(results.kept)].connections
        found.append(
            Capacity(
                f"the connections of Redis, as `maxclients` is by default ({MAXCLIENTS:,})",
                MAXCLIENTS / connections / results.talk.length,
                f"{connections:.0f} for a call, while it lives",
            )
        )
        largest = max(per_call(costs, "received"), per_call(costs, "sent"))
        found.append(
            Capacity("the network of Redis, 1 Gbit/s", GIGABIT / largest, f"{largest / 1000:.0f} kB for a call")
        )
    found.sort(key=lambda capacity: capacity.rate or 0.0)
    if results.sweeps:
        rooms = max(results.sweeps)
        sweeps = results.sweeps[rooms]
        reason = (
            f"{tick_ms(sweeps):.0f} ms of each second with {rooms:,} rooms, {tick_us(sweeps) / 1000:.0f} ms of Redis"
        )
        found.append(Capacity("the reconciler (one for all)", None, reason))
    if len(results.standing) > 1:
        alone, worker, *_ = results.standing
        reason = (
            f"{(worker.cpu_us - alone.cpu_us) / 1000:.1f} ms of Redis a second, {worker.requests:.0f} requests, "
            f"{worker.connections - alone.connections:.0f} connections"
        )
        found.append(Capacity("a worker, without its calls", None, reason))
    return found
