"""Density: the number of calls that a host carries. One call is added every few seconds until callers would notice.

Neither side refuses a call for its load. Callers notice when the p95 of the time to an answer passes a limit, or when
answers have gaps, which makes them longer than usual. The host carries one call fewer than there were at the first
question with such an answer. Callers and servers take most of this host's CPU, on both sides alike, so calls are also
added to a worker that has a part of the CPU to itself, as a worker host has.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from ops.caller.voice import speech
from tests.bench.conversation import Conversation, Reply
from tests.bench.cpu_quota import QuotaUnavailable, cpu_quota
from tests.bench.pair import Pair, Pairs, alternate
from tests.bench.providers import QUESTION
from tests.bench.row import Goal, Row, any_number
from tests.bench.side import Side
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile, percentiles

REPLY_SECONDS = 1.5
GAP_SECONDS = 0.5
"""Sum of the gaps of an answer. Without gaps its length varies by 0.3 s, because of the jitter buffer."""
WINDOW_SECONDS = 12.0
GREETED_SECONDS = 8.0
WORKER_CORES = 0.8
"""The CPU of the worker host: with less than half of two cores, the rest is enough for its callers and servers."""
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
    rows = await _rows("density", pair, size, pairs.providers.carried_goal)
    own = "density of a worker host"
    try:
        rows += await _rows(own, pair, size, pairs.providers.carried_goal, WORKER_CORES)
    except QuotaUnavailable as reason:
        rows.append(Row(f"{own}: calls carried", "calls", None, goal=any_number(), missing=str(reason)))
    return rows


async def _rows(figure: str, pair: Pair, size: Size, goal: Goal, cores: float | None = None) -> list[Row]:
    """Return the rows of a figure. `cores`: the worker's own; None if it shares all with callers and servers."""
    ramps: dict[str, list[Ramp]] = defaultdict(list)
    async for side in alternate(pair, size.density_rounds):
        with nullcontext() if cores is None else cpu_quota(side.tree, cores):
            ramps[side.name].append(await ramp(side, size.density_every, size.density_most))
    carried: dict[str, list[Sample]] = {name: [float(one.carried) for one in runs] for name, runs in ramps.items()}
    reply: dict[str, list[Sample]] = {name: [one.reply for one in runs] for name, runs in ramps.items()}
    mean: dict[str, float | None] = {name: statistics.mean(one.carried for one in runs) for name, runs in ramps.items()}
    ended = {name: ", ".join(one.ended for one in runs) for name, runs in ramps.items()}
    on = "" if cores is None else f" on {cores:g} of a core"
    calls = f"{figure}: calls carried{on} (ours: {ended['ours']}; built-in: {ended['builtin']})"
    return [
        Row.of(calls, "calls", mean, goal, carried),
        Row.of(f"{figure}: reply time then, p95", "s", percentiles(reply, 50), samples=_samples(ramps)),
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
