"""The cost of one action: its time, and the work of Redis for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from tests.bench.scaling.meter import Meter, RedisUsage
from tests.bench.stats import percentile


@dataclass(frozen=True, slots=True)
class Cost:
    """The mean cost of one action: CPU and script times of Redis in µs, `received` and `sent` in bytes.

    `per_call`: how often a call does it. `samples_ms`: the time of each, as its client measured it. `block_ms`: the
    longest time for which the event loop did nothing else, where that was measured.
    """

    action: str
    commands: float
    requests: float
    cpu_us: float
    script_us: float
    received: float
    sent: float
    samples_ms: tuple[float, ...]
    by_command: dict[str, float] = field(default_factory=dict)
    per_call: float = 1.0
    block_ms: float | None = None

    @classmethod
    def of(
        cls,
        action: str,
        usage: RedisUsage,
        samples_ms: Iterable[float],
        count: int,
        *,
        per_call: float = 1.0,
        block_ms: float | None = None,
    ) -> Self:
        """Return the mean cost of `count` actions."""
        return cls(
            action=action,
            commands=usage.commands.total() / count,
            requests=usage.requests / count,
            cpu_us=usage.cpu_us / count,
            script_us=usage.script_us / count,
            received=usage.received / count,
            sent=usage.sent / count,
            samples_ms=tuple(samples_ms),
            by_command={name: calls / count for name, calls in sorted(usage.commands.items())},
            per_call=per_call,
            block_ms=block_ms,
        )

    @property
    def p50_ms(self) -> float:
        """The median of the times."""
        return percentile(self.samples_ms, 50) or 0.0

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the times."""
        return percentile(self.samples_ms, 99) or 0.0


async def measure_each(
    action: str, meter: Meter, run: Callable[[str], Awaitable[object]], sids: Iterable[str], *, per_call: float = 1.0
) -> Cost:
    """Measure an action, run for each room, one after another."""
    samples = []
    async with meter.measure() as usage:
        for sid in sids:
            began = time.perf_counter()
            await run(sid)
            samples.append((time.perf_counter() - began) * 1000)
    return Cost.of(action, usage, samples, len(samples), per_call=per_call)


async def measure_once(action: str, meter: Meter, running: Awaitable[object]) -> Cost:
    """Measure an action, run once, and the longest time for which a task beside it had to wait for the event loop.

    The wait is counted in this thread's CPU time, so that other processes of this machine do not count.
    """
    longest = 0.0

    async def watch_event_loop() -> None:
        nonlocal longest
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    async with meter.measure() as usage:
        watcher = asyncio.create_task(watch_event_loop())
        await asyncio.sleep(0)
        began = time.perf_counter()
        await running
        wall = time.perf_counter() - began
        # The last block may have been at the end of the action.
        await asyncio.sleep(0)
        watcher.cancel()
    return Cost.of(action, usage, [wall * 1000], 1, block_ms=longest * 1000)
