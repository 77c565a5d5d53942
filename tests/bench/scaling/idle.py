"""Costs without calls: an idle worker, Flower, and `switchboard ps`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import psutil

from ops.commands import ps
from ops.stack import Worker, WorkerSpec
from ops.stack.flower import Flower
from ops.stack.ports import PortPicker
from ops.stack.process import ManagedProcess
from tests.bench.scaling.cost import Cost, measure_each
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.meter import RedisUsage

P = TypeVar("P", bound=ManagedProcess)

QUEUES = ("gold", "silver", "bronze")
"""Empty queues: the worker must not take a call while it is measured."""


@dataclass(frozen=True, slots=True)
class IdleCost:
    """The mean cost of a second: of Redis as in `Cost`, and `own_cpu_ms` of the process itself.

    `connections`: all connections of Redis, with the meter's.
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
    def of(cls, name: str, usage: RedisUsage, own_cpu_ms: float, connections: int) -> IdleCost:
        """Return the usage divided by its seconds."""
        seconds = usage.wall_seconds
        return cls(
            name,
            usage.commands.total() / seconds,
            usage.requests / seconds,
            usage.cpu_us / seconds,
            usage.received / seconds,
            usage.sent / seconds,
            own_cpu_ms / seconds,
            connections,
            {command: calls / seconds for command, calls in sorted(usage.commands.items())},
        )


async def measure_processes(installation: Installation, seconds: float) -> list[IdleCost]:
    """Measure Redis by itself, then with an idle worker, then with Flower beside it."""
    await installation.file_is_rewritten()
    costs = [await _measure("Redis alone", installation, None, seconds)]
    async with _running(_worker(installation)) as worker:
        costs.append(await _measure("an idle worker of three queues", installation, worker, seconds))
        async with _running(_flower(installation)) as flower:
            costs.append(await _measure("Flower and that worker", installation, flower, seconds))
    return costs


async def measure_ps(installation: Installation, samples: int) -> list[Cost]:
    """Measure `switchboard ps` and its options, up to the text that is printed."""

    def ps_command(*, everything: bool = False, only_workers: bool = False) -> Callable[[str], Awaitable[None]]:
        async def run(_: str) -> None:
            view = await ps.read_view(installation.settings.redis, everything=everything, only_workers=only_workers)
            ps.as_text(view, only_workers=only_workers)

        return run

    names = [str(number) for number in range(samples)]
    meter = installation.meter
    return [
        await measure_each("switchboard ps", meter, ps_command(), names),
        await measure_each("switchboard ps --all", meter, ps_command(everything=True), names),
        await measure_each("switchboard ps --workers", meter, ps_command(only_workers=True), names),
    ]


async def _measure(name: str, installation: Installation, process: ManagedProcess | None, seconds: float) -> IdleCost:
    before = _cpu_ms(process)
    async with installation.meter.measure() as usage:
        await asyncio.sleep(seconds)
    return IdleCost.of(name, usage, _cpu_ms(process) - before, await installation.meter.connections())


def _cpu_ms(process: ManagedProcess | None) -> float:
    if process is None:
        return 0.0
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system) * 1000


def _worker(installation: Installation) -> Worker:
    directory = installation.server.directory
    load = directory / "load"
    load.write_text("0", encoding="utf-8")
    env = {**installation.environment, "SWITCHBOARD_TIERS": ",".join(QUEUES), "SWITCHBOARD_LOAD_FILE": str(load)}
    return Worker(WorkerSpec("idle", QUEUES), directory, env, redis=installation.server)


def _flower(installation: Installation) -> Flower:
    return Flower(installation.server.directory, installation.environment, port=PortPicker().pick())


@asynccontextmanager
async def _running(process: P) -> AsyncIterator[P]:
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
