"""How many calls a host carries: one more every few seconds, until callers would notice.

Neither side refuses a call for its load. A side carries a number of calls if, until the next one comes, the p95 of how
long answers take to begin is up to a limit, and no answer has gaps: an answer is as long as the shortest one was.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ops.caller.voice import speech
from tests.bench.conversation import QUESTION, Conversation, Reply
from tests.bench.pair import Pairs, each_in_turn
from tests.bench.percentile import Sample, percentile, percentiles
from tests.bench.row import Row, at_least_times
from tests.bench.side import Side
from tests.bench.size import Size

REPLY_SECONDS = 1.5
GAP_SECONDS = 0.3
WINDOW_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class Ramp:
    """`carried` calls. `reply`: their p95 at that time, seconds. `ended`: why there were no more."""

    carried: int
    reply: float | None
    ended: str


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.under(shedding=False, slots=size.density_most)
    ramps: dict[str, list[Ramp]] = defaultdict(list)
    async for side in each_in_turn(pair, size.density_rounds):
        ramps[side.name].append(await ramp(side, size.density_every, size.density_most))
    carried: dict[str, list[Sample]] = {name: [float(one.carried) for one in runs] for name, runs in ramps.items()}
    reply: dict[str, list[Sample]] = {name: [one.reply for one in runs] for name, runs in ramps.items()}
    mean: dict[str, float | None] = {name: statistics.mean(one.carried for one in runs) for name, runs in ramps.items()}
    ended = {name: ", ".join(one.ended for one in runs) for name, runs in ramps.items()}
    figure = f"density: calls carried (ours: {ended['ours']}; built-in: {ended['builtin']})"
    return [
        Row.of(figure, "calls", mean, at_least_times(1.3), carried),
        Row.of("density: reply time then, p95", "s", percentiles(reply, 50), samples=reply),
    ]


async def ramp(side: Side, every_seconds: float, most: int) -> Ramp:
    """Add calls until they are too many, or `most`."""
    question = await asyncio.to_thread(speech, QUESTION)
    conversations: list[Conversation] = []
    talking: set[asyncio.Task[None]] = set()
    carried = Ramp(0, None, f"{most} and more")
    try:
        while len(conversations) < most:
            conversations.append(Conversation(side, question))
            talking.add(asyncio.create_task(conversations[-1].talk()))
            await asyncio.sleep(every_seconds)
            replies = [reply for conversation in conversations for reply in conversation.replies]
            recent = [reply for reply in replies if reply.at > time.monotonic() - WINDOW_SECONDS]
            if wrong := verdict(recent, shortest(replies)):
                return Ramp(carried.carried, carried.reply, wrong)
            carried = Ramp(len(conversations), percentile([reply.seconds for reply in recent], 95), carried.ended)
        return carried
    finally:
        for task in talking:
            task.cancel()
        await asyncio.wait(talking)


def shortest(replies: Iterable[Reply]) -> float:
    """How long an answer is that has no gaps, in seconds."""
    return min((reply.lasted for reply in replies if reply.lasted), default=0.0)


def verdict(replies: Iterable[Reply], whole_seconds: float) -> str:
    """What callers would notice, or nothing."""
    replies = list(replies)
    slow = percentile([reply.seconds for reply in replies], 95)
    if slow is not None and slow > REPLY_SECONDS:
        return "no answer" if slow == float("inf") else "slow answers"
    stretched = percentile([reply.lasted for reply in replies], 95)
    if stretched is not None and stretched > whole_seconds + GAP_SECONDS:
        return "gaps"
    return ""
