"""What Redis did between two moments, by its own counters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from redis.asyncio import Redis

MICROSECONDS = 1_000_000


@dataclass(slots=True)
class Work:
    """What Redis did. Its CPU and script times are in µs, `wall_seconds` is how long it had for it.

    `commands`: name -> how often, those that scripts called as well. `requests`: how often it read from a client, so a
    pipeline or a transaction is one. `received` and `sent` are bytes.
    """

    commands: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    cpu_us: float = 0.0
    script_us: float = 0.0
    received: int = 0
    sent: int = 0
    wall_seconds: float = 0.0

    def since(self, before: Work) -> Work:
        """What has come to these numbers since they were others."""
        return Work(
            commands=self.commands - before.commands,
            requests=max(0, self.requests - before.requests),
            cpu_us=max(0.0, self.cpu_us - before.cpu_us),
            script_us=self.script_us - before.script_us,
            received=max(0, self.received - before.received),
            sent=max(0, self.sent - before.sent),
            wall_seconds=self.wall_seconds - before.wall_seconds,
        )


class Meter:
    """Reads the counters through a client of its own, which costs nobody else anything but one INFO at each end."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @asynccontextmanager
    async def measure(self) -> AsyncIterator[Work]:
        """What Redis does in the block; the numbers are there when it has ended."""
        # What one reading costs is in the difference too: it is measured here, and taken off.
        first = await self._read()
        before = await self._read()
        work = Work()
        yield work
        after = await self._read()
        found = after.since(before).since(before.since(first))
        for each in fields(work):
            setattr(work, each.name, getattr(found, each.name))

    async def memory(self) -> int:
        """Bytes that Redis has in use."""
        return int((await self._info("memory"))["used_memory"])

    async def connections(self) -> int:
        """How many clients are connected."""
        return int((await self._info("clients"))["connected_clients"])

    async def cpu_us(self) -> float:
        """CPU time that Redis has used so far."""
        return _cpu_us(await self._info("cpu"))

    async def _read(self) -> Work:
        info = await self._info("all")
        stats = {name: value for name, value in info.items() if name.startswith("cmdstat_")}
        return Work(
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
