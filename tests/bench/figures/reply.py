"""The reply time: from the end of a caller's speech to the first sound of the reply, in one call and in eight at once.

Neither side refuses a call for its load. The question's last sample is audible, and the time at which it is heard is
known by the caller's microphone.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ops.caller.voice import speech
from tests.bench.conversation import Reply, start_conversations
from tests.bench.pair import Pairs, alternate
from tests.bench.providers import QUESTION
from tests.bench.row import Row, at_most_factor
from tests.bench.side import Side, wait_until_settled
from tests.bench.size import Size
from tests.bench.stats import Sample, percentiles

GOALS = {1: 1.0, 8: 0.9}
"""Number of simultaneous calls, and the most that a reply may take, as a factor of built-in."""


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get(shedding=False)
    replies: dict[int, dict[str, list[Sample]]] = {count: defaultdict(list) for count in GOALS}
    for count in GOALS:
        async for side in alternate(pair, size.reply_rounds):
            replies[count][side.name] += reply_ms(await converse(side, count, size.reply_seconds))
    return [row for count, samples in replies.items() for row in _rows(count, samples)]


async def converse(side: Side, count: int, seconds: float) -> list[Reply]:
    """Return the replies of `seconds` in which there are `count` calls."""
    question = await asyncio.to_thread(speech, QUESTION)
    calls = await start_conversations(side, count, question)
    before = {call: len(conversation.replies) for call, conversation in calls.items()}
    await asyncio.sleep(seconds)
    for call in calls:
        call.cancel()
    if calls:
        await asyncio.wait(calls)
    await wait_until_settled([side])
    return [reply for call, conversation in calls.items() for reply in conversation.replies[before[call] :]]


def reply_ms(replies: Sequence[Reply]) -> list[Sample]:
    """Return the reply times in milliseconds; None for a question without a reply."""
    return [None if reply.seconds == float("inf") else reply.seconds * 1000 for reply in replies]


def _rows(count: int, samples: Mapping[str, Sequence[Sample]]) -> Iterator[Row]:
    calls = "1 call" if count == 1 else f"{count} calls at once"
    for percent in (50, 95):
        figure = f"reply: {calls}, end of speech to first sound, p{percent}"
        kept = samples if percent == 50 else {}
        yield Row.of(figure, "ms", percentiles(samples, percent), at_most_factor(GOALS[count]), kept)
    missing = {name: _share_missing(values) for name, values in samples.items()}
    yield Row.of(f"reply: {calls}, questions without a reply", "%", missing)


def _share_missing(values: Sequence[Sample]) -> float | None:
    return 100 * sum(value is None for value in values) / len(values) if values else None
