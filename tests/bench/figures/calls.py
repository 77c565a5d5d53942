"""One call after another: how soon the agent is there, and how soon it is heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from ops.caller.milestones import Moment
from tests.bench.call import Answer, answered
from tests.bench.pair import Pairs, each_in_turn
from tests.bench.row import Row, at_most, at_most_times
from tests.bench.size import Size
from tests.bench.stats import Sample, came, percentile, percentiles

PATIENCE_SECONDS = 10.0


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.under()
    answers: dict[str, list[Answer]] = defaultdict(list)
    floor: list[float] = []
    async for side in each_in_turn(pair, size.calls):
        if side is pair.ours:
            floor.append(await pair.bare_connect_ms())
        answers[side.name].append(await answered(side, PATIENCE_SECONDS))
    await pair.calm()
    steps: dict[str, list[Sample]] = defaultdict(list)
    for answer in answers["ours"]:
        for step, unix_ms in (await pair.ours.steps_ms(answer.sid)).items():
            steps[step].append(float(unix_ms - answer.began_ms))
    return [*_rows(answers, floor), *_steps(answers, steps)]


def _rows(answers: Mapping[str, Sequence[Answer]], floor: list[float]) -> list[Row]:
    joined = {name: [answer.joined_ms for answer in given] for name, given in answers.items()}
    heard = {name: [answer.heard_ms for answer in given] for name, given in answers.items()}
    bare = percentile(floor, 50)
    over_bare = {name: _over(value, bare) for name, value in percentiles(joined, 50).items()}
    answered_calls = {name: float(len(came(values))) for name, values in heard.items()}
    return [
        Row.of(f"calls: answered, of {len(answers['ours'])}", "calls", answered_calls),
        Row("calls: the caller's connect alone, p50", "ms", bare, bare, samples={"floor": floor}),
        Row.of("calls: agent joined, p50", "ms", percentiles(joined, 50), at_most_times(0.5), joined),
        Row.of("calls: agent joined over the caller's connect alone, p50", "times", over_bare, at_most(2.2)),
        Row.of("calls: agent joined, p90", "ms", percentiles(joined, 90)),
        Row.of("calls: agent joined, max", "ms", percentiles(joined, 100)),
        Row.of("calls: first audio heard, p50", "ms", percentiles(heard, 50), at_most_times(0.55), heard),
        Row.of("calls: first audio heard, p90", "ms", percentiles(heard, 90)),
        Row.of("calls: first audio heard, max", "ms", percentiles(heard, 100)),
        Row(
            "calls: first audio heard, max of ours against p50 of built-in",
            "ms",
            percentile(heard["ours"], 100),
            percentile(heard["builtin"], 50),
            at_most_times(1.0),
        ),
    ]


def _over(value: float | None, bare: float | None) -> float | None:
    return value / bare if value is not None and bare else None


def _steps(answers: Mapping[str, Sequence[Answer]], steps: Mapping[str, Sequence[Sample]]) -> list[Row]:
    """What a call goes through, in the order of its medians; the built-in one tells only what its caller sees."""
    moments: dict[str, dict[str, list[Sample]]] = {
        name: {f"caller: {moment}": [answer.moments_ms.get(moment) for answer in given] for moment in Moment}
        for name, given in answers.items()
    }
    names = chain(moments["ours"], steps)
    ours = {**moments["ours"], **steps}
    rows = [
        Row(
            f"step: {name}, p50",
            "ms",
            percentile(ours[name], 50),
            percentile(moments["builtin"].get(name, []), 50),
            samples={"ours": ours[name]} if name in steps else {},
        )
        for name in names
    ]
    return sorted(rows, key=lambda row: float("inf") if row.ours is None else row.ours)
