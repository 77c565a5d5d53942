"""Each kind of fault, and the time after which its promises hold again.

A fault is a coroutine that causes it, waits, and undoes it. It holds the locks of the parts that it hits, so that two
faults of one part come one after the other.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import psutil
from redis.exceptions import RedisError

from ops.stack import Worker
from ops.stack.process import ManagedProcess
from tasks.rooms import Room, State, keys
from tests.campaign.history import FaultPlan
from tests.campaign.installation import (
    RECEIVERS,
    WEBHOOKS,
    CampaignInstallation,
    livekit_link,
    redis_link,
)
from tests.campaign.proxy import Mode
from tests.chaos.network import FAR

PAUSE_SECONDS = 8.0
DRAINED_SECONDS = 30.0
SLOW_SECONDS = 0.3
NOWHERE = ("127.0.0.1", 1)
ERRORS = (
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "NOPERM this user has no permissions to run this command",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
)


@dataclass(frozen=True, slots=True)
class Bound:
    """The seconds in which callers may be without an agent: after the begin, and after the end if that is later."""

    after_begin: float
    after_end: float | None = None


BOUNDS = {
    "child killed": Bound(4),
    "child paused": Bound(12),
    "worker killed": Bound(12),
    "worker paused": Bound(12, 4),
    "worker drained": Bound(15),
    "worker cut from Redis": Bound(12, 6),
    "worker's Redis slow": Bound(4, 4),
    "worker's Redis refuses": Bound(12, 6),
    "worker cut from LiveKit's signals": Bound(14, 8),
    "host cut from LiveKit": Bound(12),
    "host cut from all": Bound(12),
    "Redis restarted": Bound(6, 6),
    "Redis paused": Bound(6, 6),
    "Redis refuses": Bound(8, 8),
    "receiver killed": Bound(5),
    "leading receiver killed": Bound(9),
    "LiveKit restarted": Bound(15, 15),
    "webhooks lost": Bound(10, 10),
}


class FaultFailed(Exception):
    """A part did not do what it should under a fault."""


class Site:
    """What a fault acts on: the installation, and the rooms of the history by name. `note`: what it did, in words."""

    def __init__(self, installation: CampaignInstallation, names: Callable[[], Sequence[str]]) -> None:
        self.installation = installation
        self._names = names
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def alone(self, *parts: str) -> AsyncIterator[None]:
        """Hold the locks of these parts."""
        async with AsyncExitStack() as held:
            for part in sorted(parts):
                await held.enter_async_context(self._locks[part])
            yield

    def worker(self, fault: FaultPlan) -> Worker:
        """Return the worker that the fault hits."""
        workers = self.installation.workers
        return workers[fault.target % len(workers)]

    async def running(self) -> list[Room]:
        """Return the rooms of the history that have an agent, in the order of their names."""
        rooms = await self.installation.rooms.list_open()
        names = self._names()
        return sorted(
            (room for room in rooms if room.state is State.RUNNING and room.pid and room.name in names),
            key=lambda room: room.name,
        )


Begun = Callable[[str], None]
"""Called when the fault begins, with what it hits."""
Cause = Callable[[Site, FaultPlan, Begun], Awaitable[None]]


async def _child(site: Site, fault: FaultPlan) -> Room | None:
    try:
        rooms = await site.running()
    except RedisError:
        # Another fault keeps Redis away, and the children of calls are known to it alone.
        return None
    return rooms[fault.target % len(rooms)] if rooms else None


async def child_killed(site: Site, fault: FaultPlan, begun: Begun) -> None:
    if (room := await _child(site, fault)) is None or room.pid is None:
        return
    begun(f"pid {room.pid} of {room.name}")
    _send(room.pid, signal.SIGKILL)


async def child_paused(site: Site, fault: FaultPlan, begun: Begun) -> None:
    if (room := await _child(site, fault)) is None or room.pid is None or not psutil.pid_exists(room.pid):
        return
    child = psutil.Process(room.pid)
    began = child.create_time()
    begun(f"pid {room.pid} of {room.name}")
    _send(room.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(PAUSE_SECONDS)
    finally:
        # Its worker may have killed it, and its id may belong to another process.
        if psutil.pid_exists(room.pid) and psutil.Process(room.pid).create_time() == began:
            _send(room.pid, signal.SIGCONT)


async def worker_killed(site: Site, fault: FaultPlan, begun: Begun) -> None:
    worker = site.worker(fault)
    async with site.alone(worker.name):
        await _killed(worker, fault.seconds, begun)


async def worker_paused(site: Site, fault: FaultPlan, begun: Begun) -> None:
    worker = site.worker(fault)
    async with site.alone(worker.name):
        await _paused(worker, fault.seconds, begun)


async def worker_drained(site: Site, fault: FaultPlan, begun: Begun) -> None:
    worker = site.worker(fault)
    async with site.alone(worker.name):
        begun(worker.name)
        worker.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(DRAINED_SECONDS):
                status = await worker.exited()
            if status:
                msg = f"{worker.name} exited with {status}"
                raise FaultFailed(msg)
        except TimeoutError:
            msg = f"{worker.name} has not stopped within {DRAINED_SECONDS} s"
            raise FaultFailed(msg) from None
        finally:
            worker.kill()
            await worker.exited()
            await worker.start()


async def worker_cut_from_redis(site: Site, fault: FaultPlan, begun: Begun) -> None:
    await _linked(site, [redis_link(site.worker(fault).spec.name)], _cut_or_held(fault), fault.seconds, begun)


async def workers_redis_slow(site: Site, fault: FaultPlan, begun: Begun) -> None:
    await _linked(site, [redis_link(site.worker(fault).spec.name)], "slowed", fault.seconds, begun)


async def workers_redis_refuses(site: Site, fault: FaultPlan, begun: Begun) -> None:
    link = redis_link(site.worker(fault).spec.name)
    await _linked(site, [link], "errors", fault.seconds, begun, error=ERRORS[fault.target % len(ERRORS)])


async def worker_cut_from_signals(site: Site, fault: FaultPlan, begun: Begun) -> None:
    await _linked(site, [livekit_link(site.worker(fault).spec.name)], _cut_or_held(fault), fault.seconds, begun)


async def host_cut_from_livekit(site: Site, fault: FaultPlan, begun: Begun) -> None:
    far = site.installation.stack.far
    async with site.alone(FAR):
        begun("worker far")
        await far.livekit.cut()
        try:
            await asyncio.sleep(fault.seconds + PAUSE_SECONDS)
        finally:
            await far.livekit.restore()


async def host_cut_from_all(site: Site, fault: FaultPlan, begun: Begun) -> None:
    far = site.installation.stack.far
    async with site.alone(FAR):
        begun("worker far")
        await far.cut()
        try:
            await asyncio.sleep(fault.seconds + PAUSE_SECONDS)
        finally:
            await far.restore()


async def redis_restarted(site: Site, fault: FaultPlan, begun: Begun) -> None:
    async with site.alone("redis"):
        await _killed(site.installation.stack.redis, min(fault.seconds, 2.0), begun)


async def redis_paused(site: Site, fault: FaultPlan, begun: Begun) -> None:
    async with site.alone("redis"):
        await _paused(site.installation.stack.redis, fault.seconds, begun)


async def redis_refuses(site: Site, fault: FaultPlan, begun: Begun) -> None:
    """Redis is a replica of nothing, or out of memory, or answers each request with another error."""
    server = site.installation.stack.redis
    manner = fault.target % (2 + len(ERRORS))
    if manner >= 2:
        names = [name for name in site.installation.stack.links.names if name.endswith(" redis")]
        await _linked(site, names, "errors", fault.seconds, begun, error=ERRORS[manner - 2])
        return
    async with site.alone("redis"), server.client() as client:
        untyped = cast("Any", client)
        begun(("a replica", "out of memory")[manner])
        if manner == 0:
            await untyped.execute_command("REPLICAOF", *NOWHERE)
        else:
            await untyped.config_set("maxmemory", 1)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            if manner == 0:
                await untyped.execute_command("REPLICAOF", "NO", "ONE")
            else:
                await untyped.config_set("maxmemory", 0)


async def receiver_killed(site: Site, fault: FaultPlan, begun: Begun) -> None:
    receivers = site.installation.stack.receivers
    async with site.alone(RECEIVERS):
        await _killed(receivers[fault.target % len(receivers)], fault.seconds, begun)


async def leading_receiver_killed(site: Site, fault: FaultPlan, begun: Begun) -> None:
    async with site.alone(RECEIVERS, "redis"):
        try:
            leader = await site.installation.rooms.redis.get(keys.LEADER)
        except RedisError:
            return
        if leader is None:
            return
        _, pid, _ = str(leader).split(":")
        await _killed(site.installation.receiver_with(int(pid)), fault.seconds, begun)


async def livekit_restarted(site: Site, fault: FaultPlan, begun: Begun) -> None:
    server = site.installation.server
    async with site.alone("livekit"):
        begun("killed" if fault.target % 2 else "stopped")
        if fault.target % 2:
            server.kill()
        await server.stop()
        await server.start()


async def webhooks_lost(site: Site, fault: FaultPlan, begun: Begun) -> None:
    await _linked(site, [WEBHOOKS], "lost" if fault.target % 2 else "held", fault.seconds, begun)


CAUSES: dict[str, Cause] = {
    "child killed": child_killed,
    "child paused": child_paused,
    "worker killed": worker_killed,
    "worker paused": worker_paused,
    "worker drained": worker_drained,
    "worker cut from Redis": worker_cut_from_redis,
    "worker's Redis slow": workers_redis_slow,
    "worker's Redis refuses": workers_redis_refuses,
    "worker cut from LiveKit's signals": worker_cut_from_signals,
    "host cut from LiveKit": host_cut_from_livekit,
    "host cut from all": host_cut_from_all,
    "Redis restarted": redis_restarted,
    "Redis paused": redis_paused,
    "Redis refuses": redis_refuses,
    "receiver killed": receiver_killed,
    "leading receiver killed": leading_receiver_killed,
    "LiveKit restarted": livekit_restarted,
    "webhooks lost": webhooks_lost,
}


async def _killed(part: ManagedProcess, seconds: float, begun: Begun) -> None:
    begun(part.name)
    part.kill()
    await part.exited()
    try:
        await asyncio.sleep(seconds)
    finally:
        await part.start()


async def _paused(part: ManagedProcess, seconds: float, begun: Begun) -> None:
    begun(part.name)
    part.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        part.resume()


def _cut_or_held(fault: FaultPlan) -> Mode:
    return "held" if fault.target % 2 else "cut"


async def _linked(site: Site, names: Sequence[str], mode: Mode, seconds: float, begun: Begun, error: str = "") -> None:
    links = site.installation.stack.links
    async with site.alone(*names):
        begun(f"{', '.join(names)} {mode} {error.split(' ', maxsplit=1)[0]}".rstrip())
        for name in names:
            await links.set(name, mode, seconds=SLOW_SECONDS, error=error)
        try:
            await asyncio.sleep(seconds)
        finally:
            for name in names:
                await links.set(name, "open")


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
