"""The process that runs a call is killed: when is an agent back?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict

from tests.acceptance.installation import ANSWER_SECONDS
from tests.bench.pair import Pairs, each_in_turn
from tests.bench.row import Row, only_ours_within
from tests.bench.side import Side
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile
from tests.support.waiting import until

TALKED_SECONDS = 1.0


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.under()
    backs: dict[str, list[Sample]] = defaultdict(list)
    async for side in each_in_turn(pair, size.kills):
        backs[side.name].append(await back(side, size.kill_patience))
    missing = f"never (within {size.kill_patience:g} s)"
    rows = []
    for name, percent, goal in (("p50", 50, only_ours_within(1.5, "s")), ("max", 100, None)):
        ours, builtin = (percentile(backs[side], percent) for side in ("ours", "builtin"))
        samples = backs if goal else {}
        rows.append(Row(f"killed: an agent is heard again, {name}", "s", ours, builtin, goal, samples, missing))
    return rows


async def back(side: Side, patience_seconds: float) -> float | None:
    """Seconds until another agent is heard. None: not within the patience."""
    async with side.call() as caller:
        await caller.ear.sound(0, ANSWER_SECONDS)
        await caller.ear.silence(TALKED_SECONDS, ANSWER_SECONDS)
        before = {channel.speaker for channel in caller.ear.channels}
        heard: list[float] = []

        async def heard_anew() -> bool:
            others = [channel for channel in caller.ear.channels if channel.speaker not in before]
            heard[:] = [channel.first_sound for channel in others if channel.first_sound is not None]
            return bool(heard)

        (pid,) = await asyncio.to_thread(side.call_pids)
        struck = caller.clock.now()
        os.kill(pid, signal.SIGKILL)
        try:
            await until(heard_anew, patience_seconds)
        except TimeoutError:
            return None
        return min(heard) - struck
