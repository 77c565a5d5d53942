"""A ramp: calls at a rising rate, until Redis or the load generator is at its limit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.scaling.call import CallProfile
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.recording import record
from tests.bench.scaling.replay import Replay, Replies
from tests.bench.stats import percentile

LATENCY_STEPS = ("open", "claim")
FULL_CORE = 0.98
MIN_ENDED = 0.97
"""Share of the calls that have to end; with fewer they pile up."""
DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of rates in calls a second. Each is held for `seconds`, after `settling_seconds` that do not count."""

    first: float = 25.0
    step: float = 25.0
    highest: float = 1000.0
    seconds: float = 5.0
    replay_seconds: float = 2.0
    limit_ms: float = 50.0

    @property
    def settling_seconds(self) -> float:
        """The length of a replayed call: after it as many calls end as begin."""
        return self.replay_seconds


@dataclass(frozen=True, slots=True)
class Level:
    """The result of one rate. `redis_cpu` and `own_cpu` (the load generator's) are shares of a core."""

    rate: float
    ended: float
    requests: float
    redis_cpu: float
    own_cpu: float
    errors: int
    latencies_ms: dict[str, tuple[float, ...]] = field(repr=False)

    def p99_ms(self, step: str) -> float:
        """Return the 99th percentile of a step's latencies."""
        return percentile(self.latencies_ms[step], 99) or 0.0

    def limit(self, limit_ms: float) -> str:
        """Return the limit that was reached, or an empty string."""
        if self.own_cpu >= FULL_CORE and self.redis_cpu < FULL_CORE:
            return "the load generator"
        if self.redis_cpu >= FULL_CORE:
            return "Redis"
        if self.ended < MIN_ENDED * self.rate:
            return "calls pile up"
        late = [step for step in LATENCY_STEPS if self.p99_ms(step) > limit_ms]
        return f"the p99 of {late[0]}" if late else ""


async def run(installation: Installation, profile: CallProfile, plan: Plan) -> list[Level]:
    """Measure each rate in turn, up to the first that has a limit. Redis has a core of its own if there are two."""
    recording = await record(installation, profile)
    server = installation.server
    password = installation.settings.redis.url.get_secret_value().partition("@")[0].rpartition(":")[2]
    replay = Replay(recording, ("127.0.0.1", server.port), password, plan.replay_seconds)
    levels: list[Level] = []
    rate = plan.first
    with _separate_cores(server.pid):
        while rate <= plan.highest and not (levels and levels[-1].limit(plan.limit_ms)):
            level = await _level(installation, replay, rate, plan)
            if level.limit(plan.limit_ms):
                # Measured again, because another process of this machine may have disturbed it.
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
    replies: Replies = replay.run(rate, plan.seconds)
    took = time.perf_counter() - began
    own = time.process_time() - own_before
    redis = (await installation.meter.cpu_us() - redis_before) / 1_000_000
    latencies = {step: tuple(replies.latencies_ms[step]) for step in LATENCY_STEPS}
    return Level(
        rate, replies.ended / took, replies.requests / took, redis / took, own / took, replies.errors, latencies
    )


@contextmanager
def _separate_cores(redis: int) -> Iterator[None]:
    """Pin Redis to the first core and this process to the last one."""
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
