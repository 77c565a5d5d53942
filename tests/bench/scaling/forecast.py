"""A forecast of the part that is full first when the rate of calls grows, from the measured costs alone."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.rooms import keys
from tests.bench.scaling.cost import Cost
from tests.bench.scaling.results import Results
from tests.bench.scaling.sweeps import QUIET_SWEEPS, QUIET_SYNC

GIGABIT = 1e9 / 8
MAXCLIENTS = 10_000
"""Default of Redis."""
SYNC_EVERY = 3.5
"""Mean number of ticks between two syncs with the LiveKit server."""
HOUR = 3600.0
RATES = (1.0, 10.0, 50.0, 100.0)
"""Calls a second."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The rate of calls that a part can take, in calls a second; None if it does not depend on that rate."""

    part: str
    rate: float | None
    reason: str


def per_call(costs: list[Cost], name: str) -> float:
    """Return a field of `Cost`, summed over a whole call."""
    return sum(float(getattr(cost, name)) * cost.per_call for cost in costs)


def tick_ms(sweeps: list[Cost]) -> float:
    """Return the mean time of a tick of the reconciler with nothing to repair."""
    wall = {cost.action: cost.p50_ms for cost in sweeps}
    return sum(wall[name] for name in QUIET_SWEEPS) + wall[QUIET_SYNC] / SYNC_EVERY


def tick_us(sweeps: list[Cost]) -> float:
    """Return the mean CPU time of Redis for such a tick, in µs."""
    used = {cost.action: cost.cpu_us for cost in sweeps}
    return sum(used[name] for name in QUIET_SWEEPS) + used[QUIET_SYNC] / SYNC_EVERY


def memory_bytes(results: Results, rate: float) -> float:
    """Return the memory of Redis at a steady rate of calls that are answered at once."""
    rooms = max(results.call)
    footprint, sizes = results.footprints[rooms], results.room_sizes[rooms]
    running = rate * results.profile.length * (sizes.running + footprint.conversation)
    return running + rate * HOUR * footprint.ended_room + keys.CALLS_LENGTH * footprint.call_record


def capacities(results: Results) -> list[Capacity]:
    """Return the capacity of each part, the smallest rate first, those without a rate last."""
    parts: list[Capacity] = []
    if results.receivers:
        received = results.receivers[max(results.receivers)]
        parts.append(
            Capacity("a receiver (one process)", 1000 / received.cpu_ms, f"{received.cpu_ms:.1f} ms of CPU for a call")
        )
    if results.ramp and results.ramp.highest:
        level = results.ramp.highest
        reason = f"measured: {level.requests:,.0f} requests a second, {level.redis_cpu:.0%} of its core"
        parts.append(Capacity("Redis (one core)", level.rate, reason))
    if results.call:
        costs = results.call[max(results.call)]
        connections = results.footprints[max(results.footprints)].connections
        parts.append(
            Capacity(
                f"connections of Redis, with the default `maxclients` ({MAXCLIENTS:,})",
                MAXCLIENTS / connections / results.profile.length,
                f"{connections:.0f} for each running call",
            )
        )
        largest = max(per_call(costs, "received"), per_call(costs, "sent"))
        parts.append(Capacity("network of Redis, 1 Gbit/s", GIGABIT / largest, f"{largest / 1000:.0f} kB for a call"))
    parts.sort(key=lambda capacity: capacity.rate or 0.0)
    if results.sweeps:
        rooms = max(results.sweeps)
        sweeps = results.sweeps[rooms]
        reason = (
            f"{tick_ms(sweeps):.0f} ms of each second with {rooms:,} rooms, {tick_us(sweeps) / 1000:.0f} ms of Redis"
        )
        parts.append(Capacity("the reconciler (one of all receivers)", None, reason))
    if len(results.idle) > 1:
        alone, worker, *_ = results.idle
        reason = (
            f"{(worker.cpu_us - alone.cpu_us) / 1000:.1f} ms of Redis a second, {worker.requests:.0f} requests, "
            f"{worker.connections - alone.connections:.0f} connections"
        )
        parts.append(Capacity("a worker without calls", None, reason))
    return parts
