"""Redis' clock steps, as after a time server's correction or a failover to a host with another time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from glob import glob
from pathlib import Path

import pytest

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.reconcile import Reconciler
from tasks.reconcile.admission import AdmissionSweep
from tasks.reconcile.reconciler import ReconcilerConfig
from tasks.reconcile.redis_clock import RedisClock
from tasks.reconcile.rescuer import Rescuer, RescuerConfig
from tasks.rooms import ClaimRefusal, Limits, Room, RoomStore, State, keys
from tasks.settings import TierSettings
from tasks.tenants import TenantReader
from tests.support.redis_with_tls import missing
from tests.support.rooms import open_some_room
from tests.support.waiting import until

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
LEASE_MS = 1000
RENEW_SECONDS = 0.4
QUEUED_MS = 60_000
TICKS = ReconcilerConfig(tick_seconds=0.05)
MINUTE, HOUR = 60, 3600
TIERS = TierSettings.read({"SWITCHBOARD_MAX_WAIT_SECONDS": "premium=30"})


class SteppedRedis(RedisServer):
    """A Redis whose clock, and none but that, can be set."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, binary: str, port: int, library: str) -> None:
        self._clock = directory / "clock"
        faked = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        super().__init__(directory, {**env, **faked}, binary=binary, port=port)
        self.step(0)

    def step(self, seconds: int) -> None:
        """Set its clock so far from the machine's, at once: a file that is half written would be another time."""
        written = self._clock.with_suffix(".next")
        written.write_text(f"{seconds:+d}\n", encoding="ascii")
        written.rename(self._clock)


@pytest.fixture
async def redis_server(binaries: Binaries, tmp_path: Path) -> AsyncIterator[SteppedRedis]:
    library = next(iter(glob(LIBRARY)), None) or str(missing("there is no libfaketime: apt-get install faketime"))  # noqa: PTH207 - one file of the system
    server = SteppedRedis(
        tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick(), library=library
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def rooms(redis_server: SteppedRedis) -> AsyncIterator[RoomStore]:
    """The rooms of `redis_server`. A TTL that a step has made longer is a TTL all the same."""
    async with redis_server.client() as client:
        yield RoomStore(client, lease_ms=LEASE_MS)


async def no_sync() -> bool:
    return False


@asynccontextmanager
async def reconciling(rooms: RoomStore) -> AsyncIterator[None]:
    """With a leading reconciler, which has looked at the leases before."""
    clock = RedisClock()
    sweep = AdmissionSweep(rooms, TenantReader(rooms.redis, TIERS.names), TIERS, clock).sweep
    rescuer = Rescuer(rooms, 5, RescuerConfig(queued_ms=QUEUED_MS))
    swept = asyncio.Event()

    async def last_sweep() -> None:
        await sweep()
        swept.set()

    one = Reconciler(
        rooms, rescuer, lease_ms=LEASE_MS, livekit_sync=no_sync, sweeps={"sweep": last_sweep}, clock=clock, config=TICKS
    )
    running = asyncio.create_task(one.run())
    await swept.wait()
    yield
    one.stop()
    await running


async def open_room(rooms: RoomStore, sid: str, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
    await open_some_room(rooms, sid, name=sid, message=sid.encode(), limits=limits)


async def claim(rooms: RoomStore, sid: str) -> None:
    assert not isinstance(await rooms.claim(sid, 1, claimant=sid, worker="w", pid=1), ClaimRefusal)


async def room(rooms: RoomStore, sid: str) -> Room:
    found = await rooms.get(sid)
    assert found is not None
    return found


@asynccontextmanager
async def renewed(rooms: RoomStore, sid: str) -> AsyncIterator[None]:
    """With a call that lives, and renews its lease as children do."""
    await open_room(rooms, sid)
    await claim(rooms, sid)

    async def renew() -> None:
        while True:
            await rooms.renew(sid, 1, claimant=sid)
            await asyncio.sleep(RENEW_SECONDS)

    renewing = asyncio.create_task(renew())
    yield
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)


def requeued(rooms: RoomStore, sid: str) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        return (await room(rooms, sid)).attempt > 1

    return so


@pytest.mark.parametrize("step", [MINUTE, -MINUTE, -HOUR])
async def test_a_call_that_lives_keeps_its_lease_and_a_dead_one_loses_it(
    redis_server: SteppedRedis, rooms: RoomStore, step: int
) -> None:
    for sid in ("RM_dead", "RM_first"):
        await open_room(rooms, sid)
    async with renewed(rooms, "RM_alive"), reconciling(rooms):
        # Leases count from the first time on that one has expired.
        await claim(rooms, "RM_first")
        await until(requeued(rooms, "RM_first"))
        await claim(rooms, "RM_dead")
        redis_server.step(step)
        await until(requeued(rooms, "RM_dead"))
        alive = await room(rooms, "RM_alive")
        assert (alive.state, alive.attempt) == (State.RUNNING, 1)


async def test_a_message_lost_before_the_clock_stepped_back_is_missed(
    redis_server: SteppedRedis, rooms: RoomStore
) -> None:
    async with reconciling(rooms):
        await open_room(rooms, "RM_lost")
        await rooms.redis.delete("premium")
        redis_server.step(-HOUR)

        async def back() -> bool:
            return await rooms.redis.llen("premium") == 1

        await until(back)


async def test_who_has_waited_for_a_second_has_not_waited_too_long_because_the_clock_stepped_forward(
    redis_server: SteppedRedis, rooms: RoomStore
) -> None:
    async with reconciling(rooms):
        await open_room(rooms, "RM_first", Limits(tenant=1))
        await open_room(rooms, "RM_waits", Limits(tenant=1))
        redis_server.step(MINUTE)
        # Its call dies, which the reconciler notices only after some more ticks.
        await claim(rooms, "RM_first")
        await until(requeued(rooms, "RM_first"))
        assert (await room(rooms, "RM_waits")).state is State.WAITING


async def test_a_leader_that_died_before_the_clock_stepped_back_is_succeeded(
    redis_server: SteppedRedis, rooms: RoomStore
) -> None:
    assert (await rooms.hold_leadership("dead", 500))[0]
    redis_server.step(-HOUR)
    assert await rooms.redis.pttl(keys.LEADER) > HOUR * 900
    assert (await rooms.hold_leadership("alive", 500))[0]
    assert not (await rooms.hold_leadership("third", 500))[0]
