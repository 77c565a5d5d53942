"""What calls cost: CPU seconds of calls as long as they are, their start and end included, and memory meanwhile.

Neither side refuses a call for its load, and each has as many slots as it has by default.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from ops.caller.voice import speech
from tests.bench.conversation import QUESTION, Conversation
from tests.bench.pair import Pairs, each_in_turn
from tests.bench.processes import private_mb
from tests.bench.row import Goal, Row, at_most, at_most_times
from tests.bench.side import Side, calm, own_cpu_seconds
from tests.bench.size import Size

SETTLED_SECONDS = 4.0
TRIES = 4
"""How often a caller who is not answered calls again, so that both sides have as many calls."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one side. CPU in seconds a call minute, memory in MB. `live`: the calls that the memory is of."""

    live: int
    cpu: float
    cpu_beside: float
    cpu_callers: float
    pss: float
    pss_beside: float
    private: list[float]


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.under(shedding=False)
    costs: dict[str, Cost] = {}
    async for side in each_in_turn(pair, 1):
        costs[side.name] = await cost(side, size.cost_calls, size.cost_seconds)

    def row(figure: str, unit: str, value: Callable[[Cost], float | None], goal: Goal | None = None) -> Row:
        return Row(f"cost: {figure}", unit, value(costs["ours"]), value(costs["builtin"]), goal)

    def whole(cost: Cost) -> float | None:
        return cost.pss if cost.live == size.cost_calls else None

    private = {name: cost.private for name, cost in costs.items()}
    median = {name: statistics.median(values) if values else None for name, values in private.items()}
    return [
        row("live calls", "calls", lambda cost: cost.live),
        row(f"PSS of the worker at {size.cost_calls} live calls", "MB", whole, at_most_times(0.7)),
        row("PSS of receivers and Redis beside it", "MB", lambda cost: cost.pss_beside),
        Row(
            "cost: unique memory of a live call, median",
            "MB",
            median["ours"],
            median["builtin"],
            at_most(40, "MB"),
            private,
        ),
        row("CPU seconds of the worker for a minute of a call", "s", lambda cost: cost.cpu, at_most_times(0.9)),
        row("CPU seconds of receivers and Redis beside it", "s", lambda cost: cost.cpu_beside),
        row("CPU seconds of its caller beside it", "s", lambda cost: cost.cpu_callers),
    ]


async def cost(side: Side, count: int, seconds: float) -> Cost:
    """The cost of so many calls at once, the last of them so long."""
    question = await asyncio.to_thread(speech, QUESTION)
    tree, beside = side.tree, side.beside
    before = (tree.cpu_seconds(), beside.cpu_seconds(), own_cpu_seconds())
    calls: dict[asyncio.Task[None], Conversation] = {}
    for _ in range(count):
        # One after the other: of a burst the built-in one answers only some, and even so not all.
        for _ in range(TRIES):
            conversation = Conversation(side, question)
            call = asyncio.create_task(conversation.talk())
            await conversation.greeted.wait()
            if conversation.answered:
                calls[call] = conversation
                break
            await asyncio.wait({call})
    await asyncio.sleep(SETTLED_SECONDS)
    pss, pss_beside, live, private = await asyncio.to_thread(_memory, side)
    await asyncio.sleep(seconds - SETTLED_SECONDS)
    minutes = sum(time.monotonic() - calls[call].called for call in calls if not call.done()) / 60 or float("inf")
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await calm([side])
    after = (tree.cpu_seconds(), beside.cpu_seconds(), own_cpu_seconds())
    cpu, cpu_beside, cpu_callers = ((now - then) / minutes for now, then in zip(after, before, strict=True))
    return Cost(live, cpu, cpu_beside, cpu_callers, pss, pss_beside, private)


def _memory(side: Side) -> tuple[float, float, int, list[float]]:
    pids = side.call_pids()
    return side.tree.pss_mb(), side.beside.pss_mb(), len(pids), [private_mb(pid) for pid in pids]
