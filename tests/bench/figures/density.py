"""Density: the number of calls that a host carries. One call is added every few seconds until callers would notice.

Neither side refuses a call for its load. Callers notice when the p95 of the time to an answer passes a limit, or when
answers have gaps, which makes them longer than usual. The host carries one call fewer than there were at the first
question with such an answer.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops.caller.voice import speech
from tests.bench.conversation import Conversation, Reply
from tests.bench.pair import Pairs, alternate
from tests.bench.providers import QUESTION
from tests.bench.row import Row
from tests.bench.side import Side
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile, percentiles

REPLY_SECONDS = 1.5
GAP_SECONDS = 0.5
"""Sum of the gaps of an answer. Without gaps its length varies by 0.3 s, because of the jitter buffer."""
WINDOW_SECONDS = 12.0
GREETED_SECONDS = 8.0
REPLY_LEVELS = 4
"""The reply time is measured over this many numbers of calls, up to the number that is carried."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """The result of one ramp: the number of calls `carried`, and the trouble by which it `ended`.

    `reply`: the p95 of the time to an answer with that many calls, in seconds. `replies`: all replies of the ramp.
    """

    carried: int
    reply: float | None
    ended: str
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """A kind of trouble that callers notice, and the number of calls at which it first occurred."""

    kind: str
    calls: int


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get(shedding=False)
    ramps: dict[str, list[Ramp]] = defaultdict(list)
    async for side in alternate(pair, size.density_rounds):
        ramps[side.name].append(await ramp(side, size.density_every, size.density_most))
    carried: dict[str, list[Sample]] = {name: [float(one.carried) for one in runs] for name, runs in ramps.items()}
    reply: dict[str, list[Sample]] = {name: [one.reply for one in runs] for name, runs in ramps.items()}
    mean: dict[str, float | None] = {name: statistics.mean(one.carried for one in runs) for name, runs in ramps.items()}
    ended = {name: ", ".join(one.ended for one in runs) for name, runs in ramps.items()}
    figure = f"density: calls carried (ours: {ended['ours']}; built-in: {ended['builtin']})"
    return [
        Row.of(figure, "calls", mean, pairs.providers.carried_goal, carried),
        Row.of("density: reply time then, p95", "s", percentiles(reply, 50), samples=_samples(ramps)),
    ]


def _samples(ramps: Mapping[str, Sequence[Ramp]]) -> dict[str, list[Sample]]:
    """Return the number of calls, the time and the length of every reply of each side, in the order of their time."""
    samples: dict[str, list[Sample]] = {}
    for name, runs in ramps.items():
        replies = [reply for run in runs for reply in run.replies]
        samples[f"{name}: calls"] = [float(reply.calls) for reply in replies]
        samples[f"{name}: seconds"] = [None if reply.seconds == float("inf") else reply.seconds for reply in replies]
        samples[f"{name}: length"] = [reply.length for reply in replies]
    return samples


async def ramp(side: Side, every_seconds: float, most: int) -> Ramp:
    """Add calls until callers notice, or until there are `most`."""
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
            trouble = find_trouble([*recent, *missing_greetings(conversations)], usual_length(replies))
    finally:
        for task in talking:
            task.cancel()
        await asyncio.wait(talking)
    carried = trouble.calls - 1 if trouble else most
    times = [reply.seconds for reply in replies if carried - REPLY_LEVELS < reply.calls <= carried]
    ordered = tuple(sorted(replies, key=lambda reply: reply.at))
    return Ramp(carried, percentile(times, 95), trouble.kind if trouble else f"{most} and more", ordered)


def missing_greetings(conversations: Sequence[Conversation]) -> list[Reply]:
    """Return a missing reply for each caller who has waited too long for the greeting."""
    now = time.monotonic()
    return [
        Reply(now, float("inf"), 0.0, number)
        for number, conversation in enumerate(conversations, start=1)
        if not conversation.greeted.is_set() and now - conversation.began > GREETED_SECONDS
    ]


def usual_length(replies: Iterable[Reply]) -> float:
    """Return the median length of the answers that came, in seconds."""
    return percentile([reply.length or None for reply in replies], 50) or 0.0


def find_trouble(replies: Sequence[Reply], usual_seconds: float) -> Trouble | None:
    """Return the trouble of more than 5 % of the replies and of at least two; one alone is bad luck."""
    kinds = {
        "no answers": [reply for reply in replies if reply.seconds == float("inf")],
        "slow answers": [reply for reply in replies if reply.seconds > REPLY_SECONDS],
        "gaps": [reply for reply in replies if reply.length > usual_seconds + GAP_SECONDS],
    }
    for kind, bad in kinds.items():
        if len(bad) >= 2 and len(bad) > len(replies) / 20:
            return Trouble(kind, min(reply.calls for reply in bad))
    return None
