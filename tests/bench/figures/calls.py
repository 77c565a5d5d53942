"""One call after another: the times to the agent in the room and to its first audio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from ops.caller.milestones import Milestone
from tests.bench.call import Answer, call_once
from tests.bench.pair import Pairs, alternate
from tests.bench.row import Row, at_most, at_most_factor
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile, percentiles, present

TIMEOUT_SECONDS = 10.0


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get()
    answers: dict[str, list[Answer]] = defaultdict(list)
    bare_ms: list[float] = []
    async for side in alternate(pair, size.calls):
        if side is pair.ours:
            bare_ms.append(await pair.bare_connect_ms())
        answers[side.name].append(await call_once(side, TIMEOUT_SECONDS))
    await pair.settle()
    steps: dict[str, list[Sample]] = defaultdict(list)
    for answer in answers["ours"]:
        for step, unix_ms in (await pair.ours.steps_ms(answer.sid)).items():
            steps[step].append(float(unix_ms - answer.began_ms))
    return [*_rows(answers, bare_ms), *_steps(answers, steps)]


def _rows(answers: Mapping[str, Sequence[Answer]], bare_ms: list[float]) -> list[Row]:
    joined = {name: [answer.joined_ms for answer in side_answers] for name, side_answers in answers.items()}
    first_audio = {name: [answer.first_audio_ms for answer in side_answers] for name, side_answers in answers.items()}
    bare = percentile(bare_ms, 50)
    over_bare = {name: _over(value, bare) for name, value in percentiles(joined, 50).items()}
    answered_calls = {name: float(len(present(values))) for name, values in first_audio.items()}
    return [
        Row.of(f"calls: answered, of {len(answers['ours'])}", "calls", answered_calls),
        Row("calls: the caller's connect alone, p50", "ms", bare, bare, samples={"bare": bare_ms}),
        Row.of("calls: agent joined, p50", "ms", percentiles(joined, 50), at_most_factor(0.5), joined),
        Row.of("calls: agent joined over the caller's connect alone, p50", "times", over_bare, at_most(2.2)),
        Row.of("calls: agent joined, p90", "ms", percentiles(joined, 90)),
        Row.of("calls: agent joined, max", "ms", percentiles(joined, 100)),
        Row.of("calls: first audio heard, p50", "ms", percentiles(first_audio, 50), at_most_factor(0.55), first_audio),
        Row.of("calls: first audio heard, p90", "ms", percentiles(first_audio, 90)),
        Row.of("calls: first audio heard, max", "ms", percentiles(first_audio, 100)),
        Row(
            "calls: first audio heard, max of ours against p50 of built-in",
            "ms",
            percentile(first_audio["ours"], 100),
            percentile(first_audio["builtin"], 50),
            at_most_factor(1.0),
        ),
    ]


def _over(value: float | None, bare: float | None) -> float | None:
    return value / bare if value is not None and bare else None


def _steps(answers: Mapping[str, Sequence[Answer]], steps: Mapping[str, Sequence[Sample]]) -> list[Row]:
    """Return a row for each step, ordered by its median. The built-in side has only the caller's milestones."""
    milestones: dict[str, dict[str, list[Sample]]] = {
        name: {
            f"caller: {milestone}": [answer.milestones_ms.get(milestone) for answer in side_answers]
            for milestone in Milestone
        }
        for name, side_answers in answers.items()
    }
    names = chain(milestones["ours"], steps)
    ours = {**milestones["ours"], **steps}
    rows = [
        Row(
            f"step: {name}, p50",
            "ms",
            percentile(ours[name], 50),
            percentile(milestones["builtin"].get(name, []), 50),
            samples={"ours": ours[name]} if name in steps else {},
        )
        for name in names
    ]
    return sorted(rows, key=lambda row: float("inf") if row.ours is None else row.ours)
