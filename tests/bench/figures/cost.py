"""The cost of calls: CPU seconds of whole calls, with their start and end, and memory during the calls.

Neither side refuses a call for its load. Switchboard's calls are measured
once more with everything of them recorded, beside a console that takes it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from ops.caller.voice import speech
from tests.bench.conversation import QUESTION, Conversation
from tests.bench.ours import Ours
from tests.bench.pair import Pairs, alternate
from tests.bench.processes import Tree, private_mb
from tests.bench.row import Goal, Row, at_most, at_most_factor
from tests.bench.side import Side, own_cpu_seconds, wait_until_settled
from tests.bench.size import Size
from tests.support.upload_server import UploadServer

SETTLED_SECONDS = 4.0
RECORDED = "bench-recorded"
"""The tenant whose calls are recorded."""
RECORDING_CPU, RECORDING_MB = 1.1, 12.0
"""The most that a recorded call may cost: as a factor of one that is not, and more than one that is not."""
TRIES = 4
"""Tries of a caller who is not answered, so that both sides get the same number of calls."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one side: CPU in seconds for a minute of a call, memory in MB of `live` calls."""

    live: int
    cpu: float
    cpu_support: float
    cpu_callers: float
    pss: float
    pss_support: float
    private: list[float]


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get(shedding=False)
    costs: dict[str, Cost] = {}
    async for side in alternate(pair, 1):
        costs[side.name] = await cost(side, size.cost_calls, size.cost_seconds)

    recorded, cpu_console = await _recorded(pair.ours, size)

    def row(figure: str, unit: str, value: Callable[[Cost], float | None], goal: Goal | None = None) -> Row:
        return Row(f"cost: {figure}", unit, value(costs["ours"]), value(costs["builtin"]), goal)

    def pss_if_all_live(cost: Cost) -> float | None:
        return cost.pss if cost.live == size.cost_calls else None

    private = {name: cost.private for name, cost in costs.items()}
    median = {name: statistics.median(values) if values else None for name, values in private.items()}
    return [
        row("live calls", "calls", lambda cost: cost.live),
        row(f"PSS of the worker at {size.cost_calls} live calls", "MB", pss_if_all_live, at_most_factor(0.7)),
        row("PSS of receivers and Redis beside it", "MB", lambda cost: cost.pss_support),
        Row(
            "cost: unique memory of a live call, median",
            "MB",
            median["ours"],
            median["builtin"],
            at_most(40, "MB"),
            private,
        ),
        row("CPU seconds of the worker for a minute of a call", "s", lambda cost: cost.cpu, at_most_factor(0.9)),
        row("CPU seconds of receivers and Redis beside it", "s", lambda cost: cost.cpu_support),
        row("CPU seconds of its caller beside it", "s", lambda cost: cost.cpu_callers),
        *_of_recording(recorded, cpu_console, costs["ours"]),
    ]


def _of_recording(recorded: Cost, cpu_console: float, unrecorded: Cost) -> list[Row]:
    memory, less = (statistics.median(cost.private) if cost.private else None for cost in (recorded, unrecorded))
    limit = at_most(less + RECORDING_MB, "MB") if less is not None else None
    of_worker = at_most(RECORDING_CPU * unrecorded.cpu, "s")
    return [
        Row("cost: unique memory of a recorded call, median", "MB", memory, None, limit, {"ours": recorded.private}),
        Row("cost: CPU seconds of the worker for a minute of a recorded call", "s", recorded.cpu, None, of_worker),
        Row("cost: CPU seconds of the console for a minute of it", "s", cpu_console),
    ]


async def _recorded(ours: Ours, size: Size) -> tuple[Cost, float]:
    directory = ours.stack.directory / f"console-{time.monotonic_ns()}"
    console = await UploadServer.new(directory, ours.stack.receivers[0].env, port=ours.console_port)
    await console.start()
    try:
        tree = Tree([console.pid])
        before = tree.cpu_seconds()
        recorded = await cost(ours, size.cost_calls, size.cost_seconds, tenant=RECORDED)
        minutes = size.cost_calls * size.cost_seconds / 60
        return recorded, (tree.cpu_seconds() - before) / minutes
    finally:
        await console.stop()


async def cost(side: Side, count: int, seconds: float, *, tenant: str = "bench") -> Cost:
    """Measure `count` simultaneous calls, the last of which is `seconds` long."""
    question = await asyncio.to_thread(speech, QUESTION)
    tree, support = side.tree, side.support
    before = (tree.cpu_seconds(), support.cpu_seconds(), own_cpu_seconds())
    calls: dict[asyncio.Task[None], Conversation] = {}
    for _ in range(count):
        # One after another: the built-in side answers only some calls of a burst.
        for _ in range(TRIES):
            conversation = Conversation(side, question, tenant=tenant)
            call = asyncio.create_task(conversation.talk())
            await conversation.greeted.wait()
            if conversation.answered:
                calls[call] = conversation
                break
            await asyncio.wait({call})
    await asyncio.sleep(SETTLED_SECONDS)
    pss, pss_support, live, private = await asyncio.to_thread(_memory, side)
    await asyncio.sleep(seconds - SETTLED_SECONDS)
    minutes = sum(time.monotonic() - calls[call].began for call in calls if not call.done()) / 60 or float("inf")
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await wait_until_settled([side])
    after = (tree.cpu_seconds(), support.cpu_seconds(), own_cpu_seconds())
    cpu, cpu_support, cpu_callers = ((now - then) / minutes for now, then in zip(after, before, strict=True))
    return Cost(live, cpu, cpu_support, cpu_callers, pss, pss_support, private)


def _memory(side: Side) -> tuple[float, float, int, list[float]]:
    pids = side.call_pids()
    return side.tree.pss_mb(), side.support.pss_mb(), len(pids), [private_mb(pid) for pid in pids]
