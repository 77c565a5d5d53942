"""Calls that come at a rising rate, until Redis, or whoever makes the calls, can do no more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.scaling.call import Talk
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.recording import record
from tests.bench.scaling.replay import Heard, Replay
from tests.bench.stats import percentile

WATCHED = ("open", "claim")
FULL = 0.98
"""Of a core."""
KEPT_UP = 0.97
"""Of the calls that came."""
DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates in calls a second. Each is held for `seconds`, after `settling_seconds` that do not count."""

    first: float = 25.0
    step: float = 25.0
    most: float = 1000.0
    seconds: float = 5.0
    played_seconds: float = 2.0
    limit_ms: float = 50.0

    @property
    def settling_seconds(self) -> float:
        """As long as a call is played: then as many end as come."""
        return self.played_seconds


@dataclass(frozen=True, slots=True)
class Level:
    """What a rate came to. `redis_cpu` and `own_cpu` are shares of a core; latencies by step."""

    rate: float
    ended: float
    requests: float
    redis_cpu: float
    own_cpu: float
    errors: int
    latencies_ms: dict[str, tuple[float, ...]] = field(repr=False)

    def p99_ms(self, step: str) -> float:
        """All but one in a hundred took no longer."""
        return percentile(self.latencies_ms[step], 99) or 0.0

    def limit(self, limit_ms: float) -> str:
        """What keeps more calls from coming; empty if nothing does."""
        if self.own_cpu >= FULL and self.redis_cpu < FULL:
            return "whoever makes the calls"
        if self.redis_cpu >= FULL:
            return "Redis"
        if self.ended < KEPT_UP * self.rate:
            return "calls pile up"
        late = [step for step in WATCHED if self.p99_ms(step) > limit_ms]
        return f"the p99 of {late[0]}" if late else ""


async def run(installation: Installation, talk: Talk, plan: Plan) -> list[Level]:
    """Each rate in turn, up to and with the first that has a limit. Redis has a core to itself, if there are two."""
    recording = await record(installation, talk)
    server = installation.server
    password = installation.settings.redis_url.get_secret_value().partition("@")[0].rpartition(":")[2]
    replay = Replay(recording, ("127.0.0.1", server.port), password, plan.played_seconds)
    levels: list[Level] = []
    rate = plan.first
    with _a_core_each(server.pid):
        while rate <= plan.most and not (levels and levels[-1].limit(plan.limit_ms)):
            level = await _level(installation, replay, rate, plan)
            if level.limit(plan.limit_ms):
                # Once more: this machine may have had something else to do.
                replay.finish(DRAIN_SECONDS)
                level = await _level(installation, replay, rate, plan)
            levels.append(level)
            rate += plan.step
        replay.finish(DRAIN_SECONDS)
    replay.close()
    return levels


async def _level(installation: Installation, replay: Replay, rate: float, plan: Plan) -> Level:
    replay.run(rate, plan.settling_seconds)
    redis_before, own_before = await installation.meter.cpu_us(), time.process_time()
    began = time.perf_counter()
    heard: Heard = replay.run(rate, plan.seconds)
    took = time.perf_counter() - began
    own = time.process_time() - own_before
    redis = (await installation.meter.cpu_us() - redis_before) / 1_000_000
    kept = {step: tuple(heard.latencies_ms[step]) for step in WATCHED}
    return Level(rate, heard.ended / took, heard.requests / took, redis / took, own / took, heard.errors, kept)


@contextmanager
def _a_core_each(redis: int) -> Iterator[None]:
    """Where there are two: Redis has the first of them, and this process the second."""
    cores = sorted(os.sched_getaffinity(0))
    first, second = cores[0], cores[-1]
    threads = [int(path.name) for path in Path(f"/proc/{redis}/task").iterdir()]
    _pin(threads, {first})
    _pin([0], {second})
    try:
        yield
    finally:
        _pin([*threads, 0], set(cores))


def _pin(threads: Sequence[int], cores: set[int]) -> None:
    for thread in threads:
        os.sched_setaffinity(thread, cores)
