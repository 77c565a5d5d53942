"""The master dies, the Sentinels make its replica the master, and calls are answered again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit.protocol import models

from ops.stack import Binaries, Worker, WorkerSpec, environment
from tasks.errors import RedisUnavailable
from tasks.queue.dispatcher import Dispatcher, Opened, RoomSeen
from tasks.reconcile.livekit_sync import sweep_server
from tasks.redis_client import connect
from tasks.rooms import Claim, RoomStore, State
from tasks.settings import Settings
from tests.conftest import SECRET
from tests.integration.sentinel.replicated import Replicated
from tests.support.fake_livekit_api import RoomListing
from tests.support.tenants import declare
from tests.support.waiting import until

TENANTS = '[tenants.acme]\ntier = "premium"\n[tenants.other]\ntier = "free"\n'


@pytest.fixture
async def replicated(binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Replicated]:
    for name in os.environ:
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_", "REDIS_")):
            monkeypatch.delenv(name)
    async with Replicated.start(binaries, tmp_path) as found:
        env = {"LIVEKIT_URL": "ws://127.0.0.1:1", "LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": SECRET}
        for name, value in (env | found.environment).items():
            monkeypatch.setenv(name, value)
        async with connect(Settings.read()) as redis:
            await declare(redis, TENANTS)
        yield found


@pytest.fixture
async def dispatcher(replicated: Replicated) -> AsyncIterator[Dispatcher]:
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


@pytest.fixture
async def rooms(replicated: Replicated) -> AsyncIterator[RoomStore]:
    async with connect(Settings.read()) as redis:
        yield RoomStore(redis)


@pytest.fixture
async def worker(replicated: Replicated, dispatcher: Dispatcher, tmp_path: Path) -> AsyncIterator[Worker]:
    load = tmp_path / "load"
    load.write_text("0")
    env = {"SWITCHBOARD_MAX_ATTEMPTS": "1", "SWITCHBOARD_LOAD_FILE": str(load), "SWITCHBOARD_CALL_CORES": "0"}
    env["SWITCHBOARD_PRELOAD_EXTRAS"] = "none"
    ours = ("SWITCHBOARD_", "LIVEKIT_", "REDIS_")
    given = {name: value for name, value in os.environ.items() if name.startswith(ours)}
    started = Worker(
        WorkerSpec("one", ("premium",), slots=2, env=env),
        tmp_path,
        environment.merged(environment.inherited(), given),
        redis=replicated.master,
    )
    await started.start()
    yield started
    await started.stop()


async def opened(dispatcher: Dispatcher, room: RoomSeen) -> Opened:
    """As LiveKit delivers a webhook again that was answered with 503."""
    found: list[Opened] = []

    async def answers() -> bool:
        try:
            found.append(await dispatcher.open(room))
        except RedisUnavailable:
            return False
        return True

    await until(answers)
    return found[-1]


async def test_a_call_is_answered_after_a_failover_and_one_that_waits_is_still_there(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore, worker: Worker
) -> None:
    async def over() -> bool:
        room = await rooms.get("RM_answered")
        # No LiveKit server is there, so its call ends as it begins.
        return room is not None and room.state is State.DEAD and "claimed" in room.steps_ms

    assert await dispatcher.open(RoomSeen("RM_waits", "call-other-1")) is Opened.QUEUED
    # It is on the replica, too.
    assert await rooms.redis.wait(1, 2000) == 1
    replicated.master.kill()
    await until(replicated.has_failed_over)

    assert await opened(dispatcher, RoomSeen("RM_answered", "call-acme-1")) is Opened.QUEUED
    await until(over, 40)
    waits = await rooms.get("RM_waits")
    assert waits is not None
    assert waits.state is State.QUEUED
    assert isinstance(await rooms.claim("RM_waits", 1, claimant="a", worker="celery@one", pid=1), Claim)


async def test_what_the_replica_had_not_got_yet_is_lost_and_the_room_is_opened_again_by_the_reconciler(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    replicated.replica.pause()
    async with replicated.master.client() as master:
        await master.client_kill_filter(_type="replica")
    # It is answered, and so LiveKit does not deliver this webhook again.
    assert await dispatcher.open(RoomSeen("RM_lost", "call-acme-1")) is Opened.QUEUED
    replicated.master.kill()
    replicated.replica.resume()
    await until(replicated.has_failed_over)

    async def reachable() -> bool:
        try:
            await dispatcher.ping()
        except RedisUnavailable:
            return False
        return True

    await until(reachable)
    assert await rooms.get("RM_lost") is None
    listed = models.Room(sid="RM_lost", name="call-acme-1", creation_time_ms=1, num_participants=1)
    async with RoomListing.serve([listed]) as server:
        await sweep_server(Settings.read().model_copy(update={"livekit_url": server.url}), rooms, dispatcher)
    room = await rooms.get("RM_lost")
    assert room is not None
    assert room.state is State.QUEUED


async def test_a_master_that_is_told_so_takes_no_call_that_no_replica_would_get(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    async with replicated.master.client() as master:
        await master.config_set("min-replicas-to-write", 1)
        await master.config_set("min-replicas-max-lag", 1)
    await replicated.replica.stop()

    async def refused() -> bool:
        try:
            await dispatcher.open(RoomSeen(f"RM_{time.monotonic_ns()}", "call-acme-1"))
        except RedisUnavailable:
            return True
        return False

    await until(refused)


async def test_a_master_that_was_cut_off_and_comes_back_as_a_replica_is_not_written_to(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    assert await dispatcher.open(RoomSeen("RM_before", "call-acme-1")) is Opened.QUEUED
    assert await rooms.redis.wait(1, 2000) == 1
    replicated.master.pause()
    await until(replicated.has_failed_over)
    assert await opened(dispatcher, RoomSeen("RM_meanwhile", "call-acme-2")) is Opened.QUEUED
    replicated.master.resume()

    async def is_a_replica() -> bool:
        return await replicated.master.role() == "slave"

    await until(is_a_replica)
    assert {await opened(dispatcher, RoomSeen(f"RM_after{number}", "call-other-3")) for number in range(5)} <= {
        Opened.QUEUED,
        Opened.WAITING,
    }
    await asyncio.gather(*(rooms.get(f"RM_after{number}") for number in range(5)))
    async with replicated.replica.client() as client:
        assert len(await RoomStore(client).list_open()) == 7
