"""What one action costs: the time it takes, and what Redis does for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from tests.bench.scaling.meter import Meter, Work
from tests.bench.stats import percentile


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one action, on average; CPU and script times of Redis in µs, `received` and `sent` in bytes.

    `times`: how often a call does it. `samples_ms`: how long each took, as whoever asked saw it. `block_ms`: the
    longest time for which the event loop did nothing else, where that was looked at.
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
    times: float = 1.0
    block_ms: float | None = None

    @classmethod
    def of(
        cls,
        action: str,
        work: Work,
        samples_ms: Iterable[float],
        count: int,
        *,
        times: float = 1.0,
        block_ms: float | None = None,
    ) -> Self:
        """The average of so many."""
        return cls(
            action=action,
            commands=work.commands.total() / count,
            requests=work.requests / count,
            cpu_us=work.cpu_us / count,
            script_us=work.script_us / count,
            received=work.received / count,
            sent=work.sent / count,
            samples_ms=tuple(samples_ms),
            by_command={name: calls / count for name, calls in sorted(work.commands.items())},
            times=times,
            block_ms=block_ms,
        )

    @property
    def p50_ms(self) -> float:
        """Half of them took no longer."""
        return percentile(self.samples_ms, 50) or 0.0

    @property
    def p99_ms(self) -> float:
        """All but one in a hundred took no longer."""
        return percentile(self.samples_ms, 99) or 0.0


async def cost_of_each(
    action: str, meter: Meter, each: Callable[[str], Awaitable[object]], sids: Iterable[str], *, times: float = 1.0
) -> Cost:
    """Do it for each room, one after another."""
    samples = []
    async with meter.measure() as work:
        for sid in sids:
            began = time.perf_counter()
            await each(sid)
            samples.append((time.perf_counter() - began) * 1000)
    return Cost.of(action, work, samples, len(samples), times=times)


async def cost_of_one(action: str, meter: Meter, one: Awaitable[object]) -> Cost:
    """Do it once, beside a task that wants to run all the time, and see how long that had to wait at most.

    Its wait is counted in CPU time, so that it is the action's alone: nobody else's on this machine.
    """
    longest = 0.0

    async def want_to_run() -> None:
        nonlocal longest
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    async with meter.measure() as work:
        watching = asyncio.create_task(want_to_run())
        await asyncio.sleep(0)
        began = time.perf_counter()
        await one
        wall = time.perf_counter() - began
        # A last block may have been at its end.
        await asyncio.sleep(0)
        watching.cancel()
    return Cost.of(action, work, [wall * 1000], 1, block_ms=longest * 1000)
