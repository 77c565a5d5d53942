"""A worker's name and settings beside others, on a real Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from redis import Redis

from tasks.reconcile.settings_publisher import SettingsPublisher
from tasks.redis_client import Outage, connect_blocking
from tasks.rooms import RoomStore, WorkerStatus, keys
from tasks.settings import RedisSettings, Settings
from tasks.worker.presence.heartbeat import Heartbeat
from tasks.worker.presence.node_name import NodeNameTaken, require_free_name
from tasks.worker.presence.process_identity import ProcessIdentity
from tasks.worker.presence.worker_presence import WorkerPresence

NODE = "one@here"
STATUS = WorkerStatus(NODE, ("premium",), 1, 1, 0.0, 0.0, "open", 7)
OUTAGE = Outage("redis", logging.getLogger("test"))
ELSEWHERE = "another-machine/pid:[1] 7 12345"


@pytest.fixture
def redis(switchboard_env: dict[str, str], rooms: RoomStore) -> Iterator[Redis]:
    with connect_blocking(RedisSettings.read()) as client:
        yield client


def beat_as(redis: Redis, process: str, *, expire_ms: int = 5000) -> None:
    redis.hset(keys.worker(NODE), mapping=cast("Any", {**STATUS.fields(), "process": process}))
    redis.pexpire(keys.worker(NODE), expire_ms)


def test_an_identity_is_read_as_it_was_written_and_knows_whether_its_process_lives() -> None:
    current = ProcessIdentity.current()
    assert ProcessIdentity.parse(str(current)) == current
    assert current.has_ended is False
    assert ProcessIdentity(current.machine, current.pid, "1").has_ended is True
    assert ProcessIdentity(current.machine, 2**22 + 1, "1").has_ended is True
    assert ProcessIdentity("elsewhere", current.pid, current.started_at).has_ended is None
    assert [ProcessIdentity.parse(text) for text in ("", "x", "x y z", "x 7")] == [None] * 4


def test_the_name_of_a_process_that_has_ended_here_is_taken_over_at_once(redis: Redis) -> None:
    ended = str(ProcessIdentity(ProcessIdentity.current().machine, 2**22 + 1, "1"))
    beat_as(redis, ended)
    require_free_name(redis, NODE)
    heartbeat = Heartbeat(redis, OUTAGE)
    heartbeat.beat(STATUS)
    assert heartbeat.name_holder == ""
    assert cast("Any", redis.hget(keys.worker(NODE), "process")) == str(ProcessIdentity.current())
    heartbeat.remove(NODE)
    assert not redis.exists(keys.worker(NODE))


def test_a_heartbeat_that_arrives_after_the_end_of_its_process_does_not_keep_the_name(
    redis: Redis, switchboard_env: dict[str, str]
) -> None:
    """It was on its way while Redis could not be reached, and the worker was started again meanwhile."""
    require_free_name(redis, NODE)
    heartbeat = Heartbeat(redis, OUTAGE)
    presence = WorkerPresence(redis, Settings.read(), heartbeat)
    beat_as(redis, str(ProcessIdentity(ProcessIdentity.current().machine, 2**22 + 1, "1")))
    heartbeat.beat(STATUS)
    presence.require_name(NODE)
    assert heartbeat.name_holder == ""
    assert cast("Any", redis.hget(keys.worker(NODE), "process")) == str(ProcessIdentity.current())


def test_the_name_of_a_process_elsewhere_is_free_when_its_heartbeat_has_expired(redis: Redis) -> None:
    beat_as(redis, ELSEWHERE, expire_ms=1000)
    require_free_name(redis, NODE)
    assert not redis.exists(keys.worker(NODE))


async def test_the_name_of_a_process_elsewhere_that_beats_is_taken(redis: Redis) -> None:
    beat_as(redis, ELSEWHERE)
    claiming = asyncio.create_task(asyncio.to_thread(require_free_name, redis, NODE))
    while not claiming.done():
        await asyncio.sleep(0.4)
        beat_as(redis, ELSEWHERE)
    with pytest.raises(NodeNameTaken, match=f"A worker {NODE} is up already, with the pid 7 where it runs"):
        await claiming


def test_a_worker_neither_overwrites_nor_removes_the_heartbeat_of_another_one(
    redis: Redis, switchboard_env: dict[str, str]
) -> None:
    beat_as(redis, ELSEWHERE)
    heartbeat = Heartbeat(redis, OUTAGE)
    presence = WorkerPresence(redis, Settings.read(), heartbeat)
    heartbeat.beat(STATUS)
    assert heartbeat.name_holder == ELSEWHERE
    with pytest.raises(SystemExit):
        presence.require_name(NODE)
    heartbeat.remove(NODE)
    assert cast("Any", redis.hget(keys.worker(NODE), "process")) == ELSEWHERE


async def test_settings_that_differ_from_the_receivers_are_said_once_for_each_change(
    redis: Redis, rooms: RoomStore, switchboard_env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async def publish(**changed: str) -> None:
        await SettingsPublisher(rooms, Settings.read(switchboard_env | changed)).publish()
        for _ in range(3):
            heartbeat.beat(replace(STATUS, differences=presence.differences))
            presence.report()

    caplog.set_level(logging.INFO)
    heartbeat = Heartbeat(redis, OUTAGE)
    presence = WorkerPresence(redis, Settings.read(switchboard_env | {"SWITCHBOARD_LEASE_TTL_MS": "9000"}), heartbeat)
    heartbeat.beat(STATUS)
    presence.report()
    assert caplog.records == []
    await publish()
    await publish(SWITCHBOARD_TIERS="premium=fast")
    await publish(SWITCHBOARD_TIERS="premium=fast", SWITCHBOARD_SLOTS="3")
    # For `switchboard doctor`.
    (beating,) = await rooms.list_workers()
    assert beating.differences.startswith("SWITCHBOARD_LEASE_TTL_MS is 9000 here and 6000 there; SWITCHBOARD_TIERS")
    await publish(SWITCHBOARD_LEASE_TTL_MS="9000")
    await publish(SWITCHBOARD_LEASE_TTL_MS="9000", LIVEKIT_API_SECRET="another-secret-that-is-long-enough-for-it")
    said = [(record.getMessage(), record.__dict__.get("differences")) for record in caplog.records]
    lease = "SWITCHBOARD_LEASE_TTL_MS is 9000 here and 6000 there"
    tiers = "SWITCHBOARD_TIERS is free=free,premium=premium,standard=standard here and premium=fast there"
    assert said == [
        ("settings differ from the receivers'", lease),
        ("settings differ from the receivers'", f"{lease}; {tiers}"),
        ("settings are the receivers' again", None),
        ("settings differ from the receivers'", "LIVEKIT_API_SECRET is another"),
    ]
