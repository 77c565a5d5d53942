"""Bursts: several calls within 2 s. An answered caller stays for a while, which keeps the slot occupied."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.bench.call import Answer, call_once
from tests.bench.pair import Pairs, alternate
from tests.bench.row import Row, at_most, one_hundred_percent
from tests.bench.side import Side
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile, share_within

WITHIN_SECONDS = 2.0
STAY_SECONDS = 6.0
LIMITS_SECONDS = (2.0, 10.0)
GOAL = (8, 10.0)
CLAIMED_GOAL = at_most(1000, "ms")


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get()
    rows: list[Row] = []
    for count in size.bursts:
        first_audio: dict[str, list[Sample]] = defaultdict(list)
        queued: list[Sample] = []
        async for side in alternate(pair, size.burst_rounds):
            answers = await burst(side, count, size.burst_timeout)
            first_audio[side.name] += [answer.first_audio_ms for answer in answers]
            queued += [await _queued_ms(side, answer) for answer in answers if side is pair.ours]
        rows += _rows(count, first_audio, size)
        rows += [
            Row(f"burst of {count}: queued to claimed, {name}", "ms", percentile(queued, percent), goal=goal)
            for name, percent, goal in (("p50", 50, None), ("max", 100, CLAIMED_GOAL if count == GOAL[0] else None))
        ]
    return rows


async def burst(side: Side, count: int, timeout_seconds: float) -> list[Answer]:
    async def call(number: int) -> Answer:
        await asyncio.sleep(number * WITHIN_SECONDS / count)
        return await call_once(side, timeout_seconds, stay_seconds=STAY_SECONDS)

    return await asyncio.gather(*(call(number) for number in range(count)))


async def _queued_ms(side: Side, answer: Answer) -> float | None:
    steps = await side.steps_ms(answer.sid)
    return float(steps["claimed"] - steps["queued"]) if "claimed" in steps else None


def _rows(count: int, first_audio: Mapping[str, Sequence[Sample]], size: Size) -> Iterator[Row]:
    for limit in (*LIMITS_SECONDS, size.burst_timeout):
        shares = {name: share_within(values, limit * 1000) for name, values in first_audio.items()}
        goal = one_hundred_percent() if (count, limit) == GOAL else None
        yield Row.of(f"burst of {count}: answered within {limit:g} s", "%", shares, goal)
    never = {name: float(sum(sample is None for sample in values)) for name, values in first_audio.items()}
    yield Row.of(
        f"burst of {count}: never answered, of {len(first_audio['ours'])}", "calls", never, samples=first_audio
    )
