"""Several calls within 2 s. Each caller who is answered stays for a while, so that the slot is not free again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.bench.call import Answer, answered
from tests.bench.pair import Pairs, each_in_turn
from tests.bench.row import Row, all_of_them
from tests.bench.side import Side
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile, share_within

WITHIN_SECONDS = 2.0
STAYS_SECONDS = 6.0
LIMITS_SECONDS = (2.0, 10.0)
GOAL = (8, 10.0)


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.under()
    rows: list[Row] = []
    for count in size.bursts:
        heard: dict[str, list[Sample]] = defaultdict(list)
        waited: list[Sample] = []
        async for side in each_in_turn(pair, size.burst_rounds):
            answers = await burst(side, count, size.burst_patience)
            heard[side.name] += [answer.heard_ms for answer in answers]
            waited += [await _waited_ms(side, answer) for answer in answers if side is pair.ours]
        rows += _rows(count, heard, size)
        rows += [
            Row(f"burst of {count}: queued to claimed, {name}", "ms", percentile(waited, percent))
            for name, percent in (("p50", 50), ("max", 100))
        ]
    return rows


async def burst(side: Side, count: int, patience_seconds: float) -> list[Answer]:
    async def call(number: int) -> Answer:
        await asyncio.sleep(number * WITHIN_SECONDS / count)
        return await answered(side, patience_seconds, stays_seconds=STAYS_SECONDS)

    return await asyncio.gather(*(call(number) for number in range(count)))


async def _waited_ms(side: Side, answer: Answer) -> float | None:
    steps = await side.steps_ms(answer.sid)
    return float(steps["claimed"] - steps["queued"]) if "claimed" in steps else None


def _rows(count: int, heard: Mapping[str, Sequence[Sample]], size: Size) -> Iterator[Row]:
    for limit in (*LIMITS_SECONDS, size.burst_patience):
        shares = {name: share_within(values, limit * 1000) for name, values in heard.items()}
        goal = all_of_them() if (count, limit) == GOAL else None
        yield Row.of(f"burst of {count}: answered within {limit:g} s", "%", shares, goal)
    never = {name: float(sum(sample is None for sample in values)) for name, values in heard.items()}
    yield Row.of(f"burst of {count}: never answered, of {len(heard['ours'])}", "calls", never, samples=heard)
