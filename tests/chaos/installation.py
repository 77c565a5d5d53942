"""The installation that things are done to: real servers, two workers with slots to spare, and callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ops.stack import Binaries, Stack, StackOptions, Worker, WorkerSpec
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess
from tasks.rooms import Room, RoomStore
from tests.acceptance.installation import Installation
from tests.support.waiting import until

HERE = Path(__file__).parent
SLOTS = 6
CONNECTIONS = 8
DRAIN_SECONDS = 5
SETTLED_SECONDS = 60.0


class Cable(Protocol):
    """The way to another host."""

    async def cut(self) -> None:
        """Pull it."""

    async def join(self) -> None:
        """Plug it in again."""


class Stage(Installation):
    """`folder` is where talkers look for what is to happen to them. `network` leads to the other host, if any."""

    def __init__(self, stack: Stack, rooms: RoomStore, folder: Path) -> None:
        super().__init__(stack, rooms)
        self.folder = folder
        self.network: Cable | None = None

    def worker_at(self, node: str) -> Worker:
        """The worker with this node name."""
        return next(worker for worker in self.stack.workers.values() if worker.node == node)

    def receiver_with(self, pid: int) -> ManagedProcess:
        """The receiver with this process id."""
        return next(receiver for receiver in self.stack.receivers if receiver.pid == pid)

    async def look(self, sids: Iterable[str]) -> list[Room]:
        """These rooms, as Redis knows them."""
        return [room for sid in sids if (room := await self.rooms.get(sid))]

    async def mend(self) -> None:
        """Bring back what is down, and wait until no call is left and every slot is free. Raises TimeoutError."""
        down = [part for part in (*self.stack.receivers, *self.stack.workers.values()) if not part.running]
        async with asyncio.TaskGroup() as starting:
            for part in down:
                starting.create_task(part.start())
        await self.all_calls_over(SETTLED_SECONDS)
        await until(self._is_idle, SETTLED_SECONDS)

    async def _is_idle(self) -> bool:
        pids = {worker.pid for worker in self.stack.workers.values()}
        idle = {worker.pid for worker in await self.rooms.workers() if worker.idle == worker.slots}
        return pids <= idle


@asynccontextmanager
async def one_host(binaries: Binaries, directory: Path) -> AsyncIterator[Stage]:
    """Everything on this machine: two receivers behind HAProxy where there is one, and two workers."""
    workers = [WorkerSpec(name, ("premium",), slots=SLOTS) for name in ("one", "two")]
    async with opened(binaries, directory, workers) as stage:
        yield stage


@asynccontextmanager
async def opened(
    binaries: Binaries, directory: Path, workers: Sequence[WorkerSpec], *, host: str = HOST
) -> AsyncIterator[Stage]:
    """A stage with these workers, with Redis and livekit-server listening on `host`."""
    folder = directory / "faults"
    folder.mkdir(parents=True)
    # What else this machine does must not decide which worker takes a call.
    load = directory / "load"
    load.write_text("0.1")
    options = StackOptions(
        directory=directory,
        binaries=binaries,
        workers=tuple(workers),
        tenants=HERE / "tenants.toml",
        env={
            "SWITCHBOARD_TIERS": "premium,alone",
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
            "SWITCHBOARD_JOIN_TIMEOUT_SECONDS": "10",
            "SWITCHBOARD_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "SWITCHBOARD_LOAD_FILE": str(load),
            "SWITCHBOARD_CALL_CORES": "0",
            "CHAOS_FOLDER": str(folder),
        },
        python_path=(HERE / "agents",),
        host=host,
        redis_append_only=True,
    )
    async with Stack.start(options) as stack:
        # Redis is killed, too, and with it the connections that this client keeps.
        retry = Retry(NoBackoff(), CONNECTIONS)
        client = Redis.from_url(stack.redis_url, decode_responses=True, retry=retry, max_connections=CONNECTIONS)
        async with client:
            yield Stage(stack, RoomStore(client), folder)
