"""A room that is made before its caller comes, as a backend does that calls somebody: the agent is there already."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tests.bench.call import answered
from tests.bench.pair import Pairs, each_in_turn
from tests.bench.row import Row, at_most
from tests.bench.size import Size
from tests.bench.stats import Sample, percentiles

AHEAD_SECONDS = 3.0
PATIENCE_SECONDS = 10.0


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.under()
    heard: dict[str, list[Sample]] = defaultdict(list)
    async for side in each_in_turn(pair, size.ahead_calls):
        room = side.new_room()
        await side.make_room(room)
        await asyncio.sleep(AHEAD_SECONDS)
        heard[side.name].append((await answered(side, PATIENCE_SECONDS, room=room)).heard_after_connecting_ms)
    figure = f"ahead: room made {AHEAD_SECONDS:g} s ahead, caller connected to first audio heard, p50"
    return [Row.of(figure, "ms", percentiles(heard, 50), at_most(150, "ms"), heard)]
