"""The child of a call is killed: the time until another agent is heard."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict

from tests.acceptance.installation import ANSWER_SECONDS
from tests.bench.pair import Pairs, alternate
from tests.bench.row import Row, within_and_builtin_never
from tests.bench.side import Side
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile
from tests.support.waiting import until

SILENCE_SECONDS = 1.0


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get()
    times: dict[str, list[Sample]] = defaultdict(list)
    async for side in alternate(pair, size.kills):
        times[side.name].append(await replacement_seconds(side, size.kill_timeout))
    missing = f"never (within {size.kill_timeout:g} s)"
    rows = []
    for name, percent, goal in (("p50", 50, within_and_builtin_never(1.5, "s")), ("max", 100, None)):
        ours, builtin = (percentile(times[side], percent) for side in ("ours", "builtin"))
        samples = times if goal else {}
        rows.append(Row(f"killed: an agent is heard again, {name}", "s", ours, builtin, goal, samples, missing))
    return rows


async def _is_alone(side: Side) -> bool:
    return len(await asyncio.to_thread(side.call_pids)) == 1


async def replacement_seconds(side: Side, timeout_seconds: float) -> float | None:
    """Kill the child of a call, and return the seconds until another agent is heard; None if not within the timeout."""
    async with side.call() as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        await caller.listener.wait_for_silence(SILENCE_SECONDS, ANSWER_SECONDS)
        before = {channel.speaker for channel in caller.listener.channels}
        heard: list[float] = []

        async def replacement_heard() -> bool:
            others = [channel for channel in caller.listener.channels if channel.speaker not in before]
            heard[:] = [channel.first_sound for channel in others if channel.first_sound is not None]
            return bool(heard)

        # The call before this one may still be leaving its room.
        await until(lambda: _is_alone(side), timeout_seconds)
        (pid,) = side.call_pids()
        killed_at = caller.clock.now()
        os.kill(pid, signal.SIGKILL)
        try:
            await until(replacement_heard, timeout_seconds)
        except TimeoutError:
            return None
        return min(heard) - killed_at
