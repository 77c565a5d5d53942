"""Rooms that are created before their callers join, as for outbound calls: the agent is in the room already."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tests.bench.call import call_once
from tests.bench.pair import Pairs, alternate
from tests.bench.row import Row, at_most
from tests.bench.size import Size
from tests.bench.stats import Sample, percentiles

AHEAD_SECONDS = 3.0
TIMEOUT_SECONDS = 10.0


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get()
    first_audio: dict[str, list[Sample]] = defaultdict(list)
    async for side in alternate(pair, size.ahead_calls):
        room = side.new_room()
        await side.make_room(room)
        await asyncio.sleep(AHEAD_SECONDS)
        first_audio[side.name].append(
            (await call_once(side, TIMEOUT_SECONDS, room=room)).first_audio_after_connecting_ms
        )
    figure = f"ahead: room made {AHEAD_SECONDS:g} s ahead, caller connected to first audio heard, p50"
    return [Row.of(figure, "ms", percentiles(first_audio, 50), at_most(150, "ms"), first_audio)]
