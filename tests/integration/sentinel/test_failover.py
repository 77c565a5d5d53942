"""Failover: the master dies, the Sentinels promote its replica, and calls are answered again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from livekit.protocol import models

from ops.stack import Binaries, Worker, WorkerSpec, environment
from tasks.errors import RedisUnavailable
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.reconcile.livekit_sync import LiveKitSync
from tasks.redis_client import connect, connect_blocking
from tasks.redis_client.failover import ASK_SECONDS
from tasks.rooms import Room, RoomStore, State
from tasks.settings import RedisSettings, Settings
from tests.integration.sentinel.replicated import MASTER, Replicated
from tests.support import redis_with_tls
from tests.support.certificates import Authority
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.light_worker import LIGHT
from tests.support.tenants import SECRET, declare
from tests.support.waiting import until

WITH_TLS = "with TLS"
# The key is not in Redis: a call of this tenant is claimed, and becomes a dead letter at once.
TENANTS = """
[tenants.acme]
tier = "premium"
stt = { provider = "deepgram", key = "encrypted:0123456789ab" }
[tenants.other]
tier = "free"
"""


@pytest.fixture
async def replicated(
    binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Replicated]:
    for name in os.environ:
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_", "REDIS_")):
            monkeypatch.delenv(name)
    with_tls = getattr(request, "param", None) == WITH_TLS
    binary = redis_with_tls.binary(tmp_path) if with_tls else binaries.redis
    authority = Authority.create(tmp_path) if with_tls else None
    async with Replicated.start(binary, tmp_path, authority) as started_replicated:
        env = {"LIVEKIT_URL": "ws://127.0.0.1:1", "LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": SECRET}
        for name, value in (env | started_replicated.environment).items():
            monkeypatch.setenv(name, value)
        async with connect(RedisSettings.read()) as redis:
            await declare(redis, TENANTS)
        yield started_replicated


@pytest.fixture
async def dispatcher(replicated: Replicated) -> AsyncIterator[Dispatcher]:
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


@pytest.fixture
async def rooms(replicated: Replicated) -> AsyncIterator[RoomStore]:
    async with connect(RedisSettings.read()) as redis:
        yield RoomStore(redis)


@pytest.fixture
async def worker(replicated: Replicated, dispatcher: Dispatcher, tmp_path: Path) -> AsyncIterator[Worker]:
    load = tmp_path / "load"
    load.write_text("0")
    env = {"SWITCHBOARD_MAX_ATTEMPTS": "1", "SWITCHBOARD_LOAD_FILE": str(load), "SWITCHBOARD_CALL_CORES": "0"}
    env |= LIGHT
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


async def open_with_retries(dispatcher: Dispatcher, room: RoomInfo) -> DispatchResult:
    """Open a room, with retries as LiveKit's after a 503."""
    results: list[DispatchResult] = []

    async def answers() -> bool:
        try:
            results.append(await dispatcher.open(room))
        except RedisUnavailable:
            return False
        return True

    await until(answers)
    return results[-1]


async def test_a_call_is_answered_after_a_failover_and_a_queued_room_is_kept(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore, worker: Worker
) -> None:
    async def over() -> bool:
        room = await rooms.get("RM_answered")
        return room is not None and room.state is State.DEAD and "claimed" in room.steps_ms

    assert await dispatcher.open(RoomInfo("RM_queued", "call-other-1")) is DispatchResult.QUEUED
    # Wait until it is replicated.
    assert await rooms.redis.wait(1, 2000) == 1
    replicated.master.kill()
    await until(replicated.has_failed_over)

    assert await open_with_retries(dispatcher, RoomInfo("RM_answered", "call-acme-1")) is DispatchResult.QUEUED
    await until(over, 40)
    queued = await rooms.get("RM_queued")
    assert queued is not None
    assert queued.state is State.QUEUED
    assert isinstance(await rooms.claim("RM_queued", 1, claimant="a", worker="celery@one", pid=1), Room)


@pytest.mark.parametrize("replicated", ["without TLS", WITH_TLS], indirect=True)
async def test_after_a_planned_failover_all_connections_are_to_the_new_master(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore, worker: Worker
) -> None:
    """The old one takes writes for some 10 s more, which are lost then. Here it does so until the test ends."""
    async with replicated.master.client() as client:
        await cast("Any", client).execute_command("ACL", "SETUSER", "default", "-slaveof", "-replicaof")

    with connect_blocking(RedisSettings.read()) as blocking:
        await dispatcher.ping()
        await rooms.get("RM_none")
        blocking.ping()
        async with replicated.sentinels[0].client() as client:
            sentinel: Any = client
            await sentinel.execute_command("SENTINEL", "FAILOVER", MASTER)
        await until(replicated.is_named)
        await asyncio.sleep(ASK_SECONDS)
        blocking.set("written by", "blocking")
        assert await dispatcher.open(RoomInfo("RM_answered", "call-acme-1")) is DispatchResult.QUEUED
        assert await rooms.get("RM_answered") is not None
        async with replicated.replica.client() as client:
            new_master = RoomStore(client)

            async def claimed() -> bool:
                room = await new_master.get("RM_answered")
                return room is not None and "claimed" in room.steps_ms

            assert await client.get("written by") == "blocking"
            # The worker has left the old one, too.
            await until(claimed, 40)


@pytest.mark.parametrize("replicated", [WITH_TLS], indirect=True)
async def test_a_planned_failover_ends_no_worker_and_the_next_call_is_answered(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore, worker: Worker
) -> None:
    async def over() -> bool:
        assert worker.running, worker.tail()
        room = await rooms.get("RM_answered")
        return room is not None and room.state is State.DEAD and "claimed" in room.steps_ms

    async with replicated.sentinels[0].client() as client:
        sentinel: Any = client
        await sentinel.execute_command("SENTINEL", "FAILOVER", MASTER)
    await until(replicated.is_named)
    # What is opened before goes to the old master, and the reconciler has to find it.
    await asyncio.sleep(ASK_SECONDS)
    assert await open_with_retries(dispatcher, RoomInfo("RM_answered", "call-acme-1")) is DispatchResult.QUEUED
    await until(over, 40)


async def test_a_room_that_was_not_replicated_is_opened_again_by_the_reconciler(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    replicated.replica.pause()
    async with replicated.master.client() as master:
        await master.client_kill_filter(_type="replica")
    # The webhook was answered, so LiveKit does not send it again.
    assert await dispatcher.open(RoomInfo("RM_lost", "call-acme-1")) is DispatchResult.QUEUED
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
    async with FakeLiveKitApi.serve([listed]) as server:
        settings = Settings.read(os.environ | {"LIVEKIT_URL": server.url})
        await LiveKitSync(rooms, dispatcher, settings.livekit, max_attempts=5).sweep()
    room = await rooms.get("RM_lost")
    assert room is not None
    assert room.state is State.QUEUED


async def test_a_master_with_min_replicas_accepts_no_room_without_a_replica(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    async with replicated.master.client() as master:
        await master.config_set("min-replicas-to-write", 1)
        await master.config_set("min-replicas-max-lag", 1)
    await replicated.replica.stop()

    async def refused() -> bool:
        try:
            await dispatcher.open(RoomInfo(f"RM_{time.monotonic_ns()}", "call-acme-1"))
        except RedisUnavailable:
            return True
        return False

    await until(refused)


async def test_a_master_that_was_cut_off_and_comes_back_as_a_replica_is_not_written_to(
    replicated: Replicated, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    assert await dispatcher.open(RoomInfo("RM_before", "call-acme-1")) is DispatchResult.QUEUED
    assert await rooms.redis.wait(1, 2000) == 1
    replicated.master.pause()
    await until(replicated.has_failed_over)
    assert await open_with_retries(dispatcher, RoomInfo("RM_meanwhile", "call-acme-2")) is DispatchResult.QUEUED
    replicated.master.resume()

    async def is_a_replica() -> bool:
        return await replicated.master.role() == "slave"

    await until(is_a_replica)
    assert {
        await open_with_retries(dispatcher, RoomInfo(f"RM_after{number}", "call-other-3")) for number in range(5)
    } <= {
        DispatchResult.QUEUED,
        DispatchResult.WAITING,
    }
    await asyncio.gather(*(rooms.get(f"RM_after{number}") for number in range(5)))
    async with replicated.replica.client() as client:
        assert len(await RoomStore(client).list_open()) == 7
