"""What the pool and the gate make of Celery, kombu and billiard, with a real worker on a real Redis.

No LiveKit server is up: each call is claimed, fails, and with one attempt allowed becomes a dead letter at once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.dispatch import Dispatcher, Opened, RoomSeen
from tasks.rooms import RoomStore, State
from tasks.settings import Settings
from tests.waiting import until

SLOTS = 2
CALLS = 12


@pytest.fixture
async def dispatcher(
    switchboard_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Dispatcher]:
    tenants = tmp_path / "tenants.toml"
    tenants.write_text('[tenants.acme]\ntier = "premium"\n')
    switchboard_env["SWITCHBOARD_TENANTS_FILE"] = str(tenants)
    monkeypatch.setenv("SWITCHBOARD_TENANTS_FILE", str(tenants))
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


@pytest.fixture
async def worker(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, tmp_path: Path
) -> AsyncIterator[Worker]:
    load = tmp_path / "load"
    load.write_text("0")
    spec = WorkerSpec(
        "one",
        ("premium",),
        slots=SLOTS,
        env={"SWITCHBOARD_MAX_ATTEMPTS": "1", "SWITCHBOARD_LOAD_FILE": str(load)},
    )
    env = environment.merged(environment.inherited(), switchboard_env)
    started = Worker(spec, tmp_path, env, redis=redis_server)
    await started.start()
    yield started
    await started.stop()


async def open_rooms(dispatcher: Dispatcher, prefix: str, count: int) -> list[str]:
    sids = [f"RM_{prefix}{number}" for number in range(count)]
    for sid in sids:
        assert await dispatcher.open(RoomSeen(sid, "call-acme-1")) is Opened.QUEUED
    return sids


async def all_dead(rooms: RoomStore, sids: list[str]) -> None:
    async def dead() -> bool:
        found = [await rooms.get(sid) for sid in sids]
        return all(room is not None and room.state is State.DEAD for room in found)

    await until(dead)


async def test_each_call_has_a_child_of_its_own_and_the_next_one_does_not_wait_for_a_timer(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    began = time.monotonic()
    sids = await open_rooms(dispatcher, "a", CALLS)
    await all_dead(rooms, sids)
    seconds = time.monotonic() - began
    children = {room.pid for sid in sids if (room := await rooms.get(sid))}
    assert len(children) == CALLS
    assert worker.pid not in children
    # Celery's own pool reaps a child that has exited with a timer of 5 s.
    assert seconds < 5 * CALLS / SLOTS / 2


async def test_a_worker_takes_calls_again_after_its_connections_were_killed(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await all_dead(rooms, await open_rooms(dispatcher, "a", 1))
    await rooms.redis.client_kill_filter(_type="normal", skipme=True)
    await all_dead(rooms, await open_rooms(dispatcher, "b", CALLS))


async def test_a_worker_takes_calls_again_after_redis_was_restarted(
    worker: Worker, dispatcher: Dispatcher, redis_server: RedisServer
) -> None:
    redis_server.kill()
    await redis_server.exited()
    await redis_server.start()
    async with redis_server.client() as client:
        rooms = RoomStore(client)
        await all_dead(rooms, await open_rooms(dispatcher, "a", CALLS))


async def test_a_failed_attempt_says_why_on_the_dead_letter(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await all_dead(rooms, await open_rooms(dispatcher, "a", 1))
    (letter,) = await rooms.dead_letters()
    assert letter.reason.startswith("The LiveKit server did not answer: ")


async def test_an_idle_worker_stops_at_once_and_takes_its_heartbeat_with_it(worker: Worker, rooms: RoomStore) -> None:
    began = time.monotonic()
    await worker.stop()
    assert time.monotonic() - began < worker.stop_seconds
    assert await rooms.workers() == []
