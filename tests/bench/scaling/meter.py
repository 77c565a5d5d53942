"""A meter of Redis, which reads its own counters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

from redis.asyncio import Redis

MICROSECONDS = 1_000_000
READINGS = 4
"""Readings by which the cost of one is measured."""


@dataclass(slots=True)
class RedisUsage:
    """Work of Redis within `wall_seconds`. CPU and script times are in µs, `received` and `sent` in bytes.

    `commands`: counts by name, with those that scripts call. `requests`: reads from clients, so that a pipeline or a
    transaction counts once.
    """

    commands: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    cpu_us: float = 0.0
    script_us: float = 0.0
    received: int = 0
    sent: int = 0
    wall_seconds: float = 0.0

    def since(self, before: RedisUsage) -> RedisUsage:
        """Return the difference between these counters and earlier ones."""
        return RedisUsage(
            commands=self.commands - before.commands,
            requests=max(0, self.requests - before.requests),
            cpu_us=max(0.0, self.cpu_us - before.cpu_us),
            script_us=self.script_us - before.script_us,
            received=max(0, self.received - before.received),
            sent=max(0, self.sent - before.sent),
            wall_seconds=self.wall_seconds - before.wall_seconds,
        )


class Meter:
    """A reader of the counters, through a client of its own. Its own cost is one INFO at each end."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @asynccontextmanager
    async def measure(self) -> AsyncIterator[RedisUsage]:
        """Measure the work of Redis in the block. The numbers are complete at its end."""
        # Some readings first: the cost of a reading is measured, and subtracted. It is the least of them, as a worker's
        # heartbeat may come between two.
        readings = [await self._read() for _ in range(READINGS)]
        before = readings[-1]
        reading = min((later.since(one) for one, later in pairwise(readings)), key=lambda usage: usage.requests)
        usage = RedisUsage()
        yield usage
        after = await self._read()
        measured = after.since(before).since(reading)
        for counter in fields(usage):
            setattr(usage, counter.name, getattr(measured, counter.name))

    async def memory(self) -> int:
        """Return the bytes that Redis uses."""
        return int((await self._info("memory"))["used_memory"])

    async def connections(self) -> int:
        """Return the number of connected clients."""
        return int((await self._info("clients"))["connected_clients"])

    async def cpu_us(self) -> float:
        """Return the CPU time that Redis has used so far."""
        return _cpu_us(await self._info("cpu"))

    async def _read(self) -> RedisUsage:
        info = await self._info("all")
        stats = {name: value for name, value in info.items() if name.startswith("cmdstat_")}
        return RedisUsage(
            commands=Counter({name.removeprefix("cmdstat_"): int(value["calls"]) for name, value in stats.items()}),
            requests=int(info["total_reads_processed"]),
            cpu_us=_cpu_us(info),
            script_us=sum(float(stats[name]["usec"]) for name in ("cmdstat_eval", "cmdstat_evalsha") if name in stats),
            received=int(info["total_net_input_bytes"]),
            sent=int(info["total_net_output_bytes"]),
            wall_seconds=time.perf_counter(),
        )

    async def _info(self, section: str) -> dict[str, Any]:
        return await self._redis.info(section)


def _cpu_us(info: dict[str, Any]) -> float:
    return (float(info["used_cpu_user"]) + float(info["used_cpu_sys"])) * MICROSECONDS
