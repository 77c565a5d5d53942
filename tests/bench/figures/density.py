"""How many calls a host carries: one more every few seconds, until callers would notice.

Neither side refuses a call for its load. Callers notice when the p95 of how long answers take to begin passes a limit,
or when answers have gaps, which makes them longer than they usually are. Carried is one call fewer than there were
when the first of those questions was asked.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops.caller.voice import speech
from tests.bench.conversation import QUESTION, Conversation, Reply
from tests.bench.pair import Pairs, each_in_turn
from tests.bench.row import Row, at_least_times
from tests.bench.side import Side
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile, percentiles

REPLY_SECONDS = 1.5
GAP_SECONDS = 0.5
"""In sum. What an answer lasts varies by 0.3 s, as the jitter buffer stretches and shortens it."""
WINDOW_SECONDS = 12.0
GREETED_SECONDS = 8.0
LOOKED_AT = 4
"""The reply time is of so many numbers of calls, up to the number that is carried."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """`carried` calls. `reply`: the p95 of how long answers took to begin with that many, seconds. `ended`: by what.

    `replies`: all that there were.
    """

    carried: int
    reply: float | None
    ended: str
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """What callers notice, and with how many calls the first of them did."""

    what: str
    calls: int


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
        Row.of("density: reply time then, p95", "s", percentiles(reply, 50), samples=_samples(ramps)),
    ]


def _samples(ramps: Mapping[str, Sequence[Ramp]]) -> dict[str, list[Sample]]:
    """Of every reply of each side, in the order of the questions: how many calls, how late, and how long."""
    samples: dict[str, list[Sample]] = {}
    for name, runs in ramps.items():
        replies = [reply for run in runs for reply in run.replies]
        samples[f"{name}: calls"] = [float(reply.calls) for reply in replies]
        samples[f"{name}: seconds"] = [None if reply.seconds == float("inf") else reply.seconds for reply in replies]
        samples[f"{name}: lasted"] = [reply.lasted for reply in replies]
    return samples


async def ramp(side: Side, every_seconds: float, most: int) -> Ramp:
    """Add calls until they are too many, or `most`."""
    question = await asyncio.to_thread(speech, QUESTION)
    conversations: list[Conversation] = []
    talking: set[asyncio.Task[None]] = set()
    replies: list[Reply] = []
    trouble = None
    try:
        while trouble is None and len(conversations) < most:
            conversations.append(Conversation(side, question, lambda: len(conversations)))
            talking.add(asyncio.create_task(conversations[-1].talk()))
            await asyncio.sleep(every_seconds)
            replies = [reply for conversation in conversations for reply in conversation.replies]
            since = time.monotonic() - WINDOW_SECONDS
            recent = [reply for reply in replies if reply.at > since]
            trouble = noticed([*recent, *unheard(conversations)], usual(replies))
    finally:
        for task in talking:
            task.cancel()
        await asyncio.wait(talking)
    carried = trouble.calls - 1 if trouble else most
    late = [reply.seconds for reply in replies if carried - LOOKED_AT < reply.calls <= carried]
    ordered = tuple(sorted(replies, key=lambda reply: reply.at))
    return Ramp(carried, percentile(late, 95), trouble.what if trouble else f"{most} and more", ordered)


def unheard(conversations: Sequence[Conversation]) -> list[Reply]:
    """A reply that never came for each caller who has not heard an agent for too long, though it has called."""
    now = time.monotonic()
    return [
        Reply(now, float("inf"), 0.0, number)
        for number, conversation in enumerate(conversations, start=1)
        if not conversation.greeted.is_set() and now - conversation.called > GREETED_SECONDS
    ]


def usual(replies: Iterable[Reply]) -> float:
    """How long an answer is, in seconds: the median of those that came."""
    return percentile([reply.lasted or None for reply in replies], 50) or 0.0


def noticed(replies: Sequence[Reply], usual_seconds: float) -> Trouble | None:
    """What is wrong with more than one in twenty of the replies, and with two at least; one alone is bad luck."""
    kinds = {
        "no answers": [reply for reply in replies if reply.seconds == float("inf")],
        "slow answers": [reply for reply in replies if reply.seconds > REPLY_SECONDS],
        "gaps": [reply for reply in replies if reply.lasted > usual_seconds + GAP_SECONDS],
    }
    for what, bad in kinds.items():
        if len(bad) >= 2 and len(bad) > len(replies) / 20:
            return Trouble(what, min(reply.calls for reply in bad))
    return None
