"""The cost of calls: CPU seconds of whole calls, with their start and end, and memory during the calls.

The floor is what a bare participant needs for as much talk. Neither side refuses a call for its load. Switchboard's
calls are measured once more with everything of them recorded, beside a console that takes it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ops.caller.voice import speech
from tests.bench.conversation import Reply, start_conversations
from tests.bench.floor import floor_cpu
from tests.bench.ours import Ours
from tests.bench.pair import Pairs, alternate
from tests.bench.processes import Tree, private_mb
from tests.bench.providers import QUESTION, Providers
from tests.bench.row import Goal, Row, at_most, at_most_factor
from tests.bench.side import Side, own_cpu_seconds, wait_until_settled
from tests.bench.size import Size
from tests.support.upload_server import UploadServer

SETTLED_SECONDS = 4.0
RECORDED = "bench-recorded"
"""The tenant whose calls are recorded."""
RECORDING_CPU, RECORDING_MB = 1.1, 12.0
"""The most that a recorded call may cost: as a factor of one that is not, and more than one that is not."""
OVER_FLOOR = 1.25
"""The most that a conversation may cost, as a factor of the floor."""
IDLE_MB = 330.0


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one side: CPU in seconds for a minute of a call, memory in MB of `live` calls.

    `cpu`: of the worker, for whole calls; `cpu_talking`: without their start and end. `idle`: its PSS before the first.
    `replies`: all answers.
    """

    live: int
    idle: float
    cpu: float
    cpu_talking: float
    cpu_emulators: float
    cpu_support: float
    cpu_callers: float
    pss: float
    pss_support: float
    private: list[float]
    replies: tuple[Reply, ...]


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    pair = await pairs.get(shedding=False)
    costs: dict[str, Cost] = {}
    async for side in alternate(pair, 1):
        costs[side.name] = await cost(side, size.cost_calls, size.cost_seconds)
    await pair.settle()
    question = await asyncio.to_thread(speech, QUESTION)
    floor = await floor_cpu(
        pair.bare_server,
        pairs.directory / f"floor-{time.monotonic_ns()}",
        size.cost_calls,
        size.cost_seconds - SETTLED_SECONDS,
        question,
    )

    recorded, cpu_console = await _recorded(pair.ours, size)
    return [
        *rows(costs, floor, size.cost_calls, pairs.providers),
        *_of_recording(recorded, cpu_console, costs["ours"]),
    ]


def rows(costs: Mapping[str, Cost], floor: float, calls: int, providers: Providers) -> list[Row]:
    """Return the rows of both sides. `floor`: CPU seconds of a bare participant's minute. `calls`: wanted of each."""

    def row(figure: str, unit: str, value: Callable[[Cost], float | None], goal: Goal | None = None) -> Row:
        return Row(f"cost: {figure}", unit, value(costs["ours"]), value(costs["builtin"]), goal)

    def pss_if_all_live(cost: Cost) -> float | None:
        return cost.pss if cost.live == calls else None

    private = {name: cost.private for name, cost in costs.items()}
    median = {name: statistics.median(values) if values else None for name, values in private.items()}
    cpu = "CPU seconds of the worker for a minute of a call"
    return [
        row("live calls", "calls", lambda cost: cost.live),
        row("PSS of an idle worker", "MB", lambda cost: cost.idle, at_most(IDLE_MB, "MB")),
        row(f"PSS of the worker at {calls} live calls", "MB", pss_if_all_live, at_most_factor(0.7)),
        row("PSS of receivers and Redis beside it", "MB", lambda cost: cost.pss_support),
        Row(
            "cost: unique memory of a live call, median",
            "MB",
            median["ours"],
            median["builtin"],
            providers.memory_goal,
            private,
        ),
        row(cpu, "s", lambda cost: cost.cpu, providers.cpu_goal),
        row(f"{cpu} in conversation, without its start and end", "s", lambda cost: cost.cpu_talking),
        Row("cost: CPU seconds of a bare participant for a minute of as much talk (floor)", "s", floor, floor),
        row(
            "CPU of a call in conversation over the floor",
            "times",
            lambda cost: cost.cpu_talking / floor,
            at_most(OVER_FLOOR),
        ),
        row("CPU seconds of receivers and Redis beside it", "s", lambda cost: cost.cpu_support),
        row("CPU seconds of its caller beside it", "s", lambda cost: cost.cpu_callers),
        row("CPU seconds of the provider emulators beside it", "s", lambda cost: cost.cpu_emulators),
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
    tree = side.tree
    idle = await asyncio.to_thread(tree.pss_mb)
    before = _cpu_seconds(side)
    calls = await start_conversations(side, count, question, tenant=tenant)
    await asyncio.sleep(SETTLED_SECONDS)
    pss, pss_support, live, private = await asyncio.to_thread(_memory, side)
    talking, began = tree.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds - SETTLED_SECONDS)
    call_seconds = (time.monotonic() - began) * sum(not call.done() for call in calls) or float("inf")
    cpu_talking = (tree.cpu_seconds() - talking) / call_seconds * 60
    minutes = sum(time.monotonic() - calls[call].began for call in calls if not call.done()) / 60 or float("inf")
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await wait_until_settled([side])
    after = _cpu_seconds(side)
    cpu, support, callers, emulators = ((now - then) / minutes for now, then in zip(after, before, strict=True))
    replies = tuple(reply for conversation in calls.values() for reply in conversation.replies)
    return Cost(live, idle, cpu, cpu_talking, emulators, support, callers, pss, pss_support, private, replies)


def _cpu_seconds(side: Side) -> tuple[float, float, float, float]:
    return side.tree.cpu_seconds(), side.support.cpu_seconds(), own_cpu_seconds(), side.emulators.cpu_seconds()


def _memory(side: Side) -> tuple[float, float, int, list[float]]:
    pids = side.call_pids()
    return side.tree.pss_mb(), side.support.pss_mb(), len(pids), [private_mb(pid) for pid in pids]
