"""The installation of the chaos tests: real servers, and two workers with spare slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ops.stack import Binaries, Stack, StackOptions, Worker, WorkerSpec
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess
from tasks.rooms import Intake, Room, RoomStore
from tests.acceptance.installation import Installation
from tests.support.waiting import until

HERE = Path(__file__).parent
SLOTS = 6
CONNECTIONS = 8
DRAIN_SECONDS = 5
REPAIR_SECONDS = 60.0
INTAKE_SECONDS = 30.0
LATER = "later"
"""The name of the load of all workers that a scenario adds."""
LOW_LOAD, FULL_LOAD = "0.1", "1.0"


class Cuttable(Protocol):
    """A link to another host, or all of them."""

    async def cut(self) -> None:
        """Cut it."""

    async def restore(self) -> None:
        """Restore it."""


class HostNetwork(Cuttable, Protocol):
    """The network of another host."""

    @property
    def livekit(self) -> Cuttable:
        """The link to the LiveKit server alone."""


class ChaosInstallation(Installation):
    """An installation. `network`: that of the other host, if any.

    `folder`: files there make a talker hang, and are the loads that the workers see.
    """

    def __init__(self, stack: Stack, rooms: RoomStore, folder: Path) -> None:
        super().__init__(stack, rooms)
        self.folder = folder
        self.network: HostNetwork | None = None

    def worker_at(self, node: str) -> Worker:
        """Return the worker with this node name."""
        return next(worker for worker in self.stack.workers.values() if worker.node == node)

    def receiver_with(self, pid: int) -> ManagedProcess:
        """Return the receiver with this process id."""
        return next(receiver for receiver in self.stack.receivers if receiver.pid == pid)

    async def get_rooms(self, sids: Iterable[str]) -> list[Room]:
        """Return these rooms, as Redis has them."""
        return [room for sid in sids if (room := await self.rooms.get(sid))]

    @asynccontextmanager
    async def full(self, name: str) -> AsyncIterator[None]:
        """Give the worker of this name a load with which it takes no call, until the end of the block."""
        load = _load_file(self.folder, name)
        load.write_text(FULL_LOAD)
        try:
            await until(lambda: self._has_intake(name, Intake.LOAD), INTAKE_SECONDS)
            yield
        finally:
            load.write_text(LOW_LOAD)
        await until(lambda: self._has_intake(name, Intake.OPEN), INTAKE_SECONDS)

    async def _has_intake(self, name: str, intake: Intake) -> bool:
        node = self.stack.workers[name].node
        return any(worker.node == node and worker.state == intake for worker in await self.rooms.list_workers())

    async def repair(self) -> None:
        """Start all parts that are down, and wait until no call is left and all slots are idle. Raises TimeoutError.

        A worker whose calls failed takes one at a time until one goes well, so it is replaced by one without a past.
        """
        await self._start_all()
        await self.all_calls_over(REPAIR_SECONDS)
        failing = {worker.node for worker in await self.rooms.list_workers() if worker.problem}
        for worker in self.stack.workers.values():
            if worker.node in failing:
                await worker.stop()
        await self._start_all()
        await until(self._is_idle, REPAIR_SECONDS)

    async def _start_all(self) -> None:
        down = [part for part in (*self.stack.receivers, *self.stack.workers.values()) if not part.running]
        async with asyncio.TaskGroup() as starting:
            for part in down:
                starting.create_task(part.start())

    async def _is_idle(self) -> bool:
        pids = {worker.pid for worker in self.stack.workers.values()}
        idle = {worker.pid for worker in await self.rooms.list_workers() if worker.idle and not worker.busy}
        return pids <= idle


@asynccontextmanager
async def one_host(binaries: Binaries, directory: Path) -> AsyncIterator[ChaosInstallation]:
    """Start an installation on this machine: two workers, and two receivers if HAProxy is installed."""
    workers = [WorkerSpec(name, ("premium",), slots=SLOTS) for name in ("one", "two")]
    async with start_installation(binaries, directory, workers) as installation:
        yield installation


@asynccontextmanager
async def start_installation(
    binaries: Binaries,
    directory: Path,
    workers: Sequence[WorkerSpec],
    *,
    host: str = HOST,
    livekit_host: str | None = None,
) -> AsyncIterator[ChaosInstallation]:
    """Start an installation with these workers. Redis and livekit-server listen on `host`, or that on another one."""
    folder = directory / "faults"
    folder.mkdir(parents=True)
    # A fixed load for each: the machine's own must not decide which worker takes a call.
    loads = {name: _load_file(folder, name) for name in (LATER, *(spec.name for spec in workers))}
    for load in loads.values():
        load.write_text(LOW_LOAD)
    options = StackOptions(
        directory=directory,
        binaries=binaries,
        workers=tuple(
            replace(spec, env={**spec.env, "SWITCHBOARD_LOAD_FILE": str(loads[spec.name])}) for spec in workers
        ),
        tenants=HERE / "tenants.toml",
        env={
            "SWITCHBOARD_TIERS": "premium,alone",
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
            "SWITCHBOARD_JOIN_TIMEOUT_SECONDS": "10",
            "SWITCHBOARD_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "SWITCHBOARD_LOAD_FILE": str(loads[LATER]),
            "SWITCHBOARD_CALL_CORES": "0",
            "CHAOS_FOLDER": str(folder),
        },
        python_path=(HERE / "agents",),
        host=host,
        livekit_host=livekit_host,
        redis_append_only=True,
    )
    async with Stack.start(options) as stack:
        # Retries, because Redis is killed too, with the connections of this client.
        retry = Retry(NoBackoff(), CONNECTIONS)
        client = Redis.from_url(stack.redis_url, decode_responses=True, retry=retry, max_connections=CONNECTIONS)
        async with client:
            yield ChaosInstallation(stack, RoomStore(client), folder)


def _load_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.load"
