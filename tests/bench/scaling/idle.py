"""What costs something while nothing happens, or because somebody looks: workers, Flower, `switchboard ps`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import psutil
from rich.console import Console

from ops.commands import ps
from ops.stack import Worker, WorkerSpec
from ops.stack.flower import Flower
from ops.stack.ports import PortPicker
from ops.stack.process import ManagedProcess
from tests.bench.scaling.cost import Cost, cost_of_each
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.meter import Work

P = TypeVar("P", bound=ManagedProcess)

WIDTH = 240
EMPTY = ("gold", "silver", "bronze")
"""Queues in which nobody waits: a worker that took a call would not be without one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What something costs a second, on average: Redis as in `Cost`, and the CPU time of the process itself.

    `connections`: how many Redis has, one of them that of the meter.
    """

    name: str
    commands: float
    requests: float
    cpu_us: float
    received: float
    sent: float
    own_cpu_ms: float
    connections: float
    by_command: dict[str, float]

    @classmethod
    def of(cls, name: str, work: Work, own_cpu_ms: float, connections: int) -> Standing:
        """All of it divided by the seconds that it took."""
        seconds = work.wall_seconds
        return cls(
            name,
            work.commands.total() / seconds,
            work.requests / seconds,
            work.cpu_us / seconds,
            work.received / seconds,
            work.sent / seconds,
            own_cpu_ms / seconds,
            connections,
            {command: calls / seconds for command, calls in sorted(work.commands.items())},
        )


async def processes(installation: Installation, seconds: float) -> list[Standing]:
    """Redis by itself, a worker without a call, and Flower beside it."""
    found = [await _standing("Redis, and nobody there", installation, None, seconds)]
    async with _running(_worker(installation)) as worker:
        found.append(await _standing("a worker without a call, of three queues", installation, worker, seconds))
        async with _running(_flower(installation)) as flower:
            found.append(await _standing("Flower, and that worker", installation, flower, seconds))
    return found


async def looks(installation: Installation, times: int) -> list[Cost]:
    """Of `switchboard ps` and its options, up to the text that is printed."""

    def look(*, everything: bool = False, only_workers: bool = False) -> Callable[[str], Awaitable[None]]:
        async def run(_: str) -> None:
            view = await ps.look(installation.settings, everything=everything, only_workers=only_workers)
            console = Console(width=WIDTH, file=io.StringIO())
            tables = [ps.workers_table(view)] if only_workers else [ps.rooms_table(view), ps.workers_table(view)]
            console.print(*tables)

        return run

    names = [str(number) for number in range(times)]
    meter = installation.meter
    return [
        await cost_of_each("switchboard ps", meter, look(), names),
        await cost_of_each("switchboard ps --all", meter, look(everything=True), names),
        await cost_of_each("switchboard ps --workers", meter, look(only_workers=True), names),
    ]


async def _standing(name: str, installation: Installation, process: ManagedProcess | None, seconds: float) -> Standing:
    before = _cpu_ms(process)
    async with installation.meter.measure() as work:
        await asyncio.sleep(seconds)
    return Standing.of(name, work, _cpu_ms(process) - before, await installation.meter.connections())


def _cpu_ms(process: ManagedProcess | None) -> float:
    if process is None:
        return 0.0
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system) * 1000


def _worker(installation: Installation) -> Worker:
    directory = installation.server.directory
    load = directory / "load"
    load.write_text("0", encoding="utf-8")
    env = {**installation.environment, "SWITCHBOARD_TIERS": ",".join(EMPTY), "SWITCHBOARD_LOAD_FILE": str(load)}
    return Worker(WorkerSpec("idle", EMPTY), directory, env, redis=installation.server)


def _flower(installation: Installation) -> Flower:
    return Flower(installation.server.directory, installation.environment, port=PortPicker().pick())


@asynccontextmanager
async def _running(process: P) -> AsyncIterator[P]:
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
