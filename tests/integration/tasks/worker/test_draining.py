"""The drain of a worker, by a signal or by the command, and what happens to its call."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit.protocol import models

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.call.drain import HAND_OVER_SECONDS
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import Intake, Room, RoomStore, State, keys
from tests.integration.tasks.worker.dispatched import open_rooms
from tests.support.command import fresh_switchboard, switchboard
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.tenants import declare
from tests.support.waiting import until

AT_ONCE_SECONDS = 3.0


async def stopped(worker: Worker, seconds: float) -> int:
    return await asyncio.wait_for(worker.exited(), seconds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
async def test_an_idle_worker_stops_at_once_on_each_signal(
    worker: Worker, rooms: RoomStore, number: signal.Signals
) -> None:
    worker.send(number)
    assert await stopped(worker, AT_ONCE_SECONDS) == 0
    assert await rooms.list_workers() == []


async def test_a_worker_that_has_stopped_leaves_queued_messages_in_redis(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    worker.send(signal.SIGTERM)
    (sid,) = await open_rooms(dispatcher, "a", 1)
    assert await stopped(worker, 20) == 0
    room = await rooms.get(sid)
    assert room is not None
    # A BRPOP that was under way may have brought it: then it went back, or was answered.
    if room.state is State.QUEUED:
        assert await rooms.requeue_lost_messages(0, 1) == []


async def test_the_command_drains_a_worker_and_waits_for_its_end(
    worker: Worker, rooms: RoomStore, switchboard_env: dict[str, str]
) -> None:
    # It needs to reach Redis, and no keys.
    status, out, err = await switchboard({"REDIS_URL": switchboard_env["REDIS_URL"]}, *drain(worker, "--wait"))
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"{worker.node} is draining: it takes no more calls"
    assert out.splitlines()[-1] == f"{worker.node} has stopped"
    assert await stopped(worker, AT_ONCE_SECONDS) == 0
    assert await rooms.list_workers() == []


def drain(worker: Worker, *options: str) -> tuple[str, ...]:
    return ("drain", worker.node, *options)


async def test_the_command_names_a_worker_that_does_not_answer(
    redis_server: RedisServer, rooms: RoomStore, switchboard_env: dict[str, str]
) -> None:
    status, out, err = await fresh_switchboard(switchboard_env, "drain", "nobody@nowhere")
    assert (status, out) == (1, "")
    assert err == "No worker nobody@nowhere answers. `switchboard ps` lists the workers.\n"


async def test_the_command_says_that_redis_is_away() -> None:
    status, _, err = await switchboard({"REDIS_URL": "redis://127.0.0.1:1/0"}, "drain", "one@host")
    assert status == 1
    assert err.startswith("Redis cannot be reached (")
    assert "Traceback" not in err


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """Two agents that never join: their calls need no server but one that lists their room.

    One returns at once, as agents do; the other never returns, and has to be killed.
    """
    module = tmp_path / "patient_agents.py"
    module.write_text(
        "import asyncio\n\n"
        "async def polite(ctx):\n    pass\n\n"
        "async def stubborn(ctx):\n    await asyncio.Event().wait()\n"
    )
    return module


@pytest.fixture
async def busy(
    redis_server: RedisServer,
    switchboard_env: dict[str, str],
    dispatcher: Dispatcher,
    rooms: RoomStore,
    agents: Path,
    load: Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Worker]:
    """A worker with one call, of RM_a0, which would go on for ever."""
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')
    drains = {
        "SWITCHBOARD_DRAIN_SECONDS": "3600",
        "SWITCHBOARD_CONNECT_SECONDS": "3600",
        "SWITCHBOARD_LOAD_FILE": str(load),
        "SWITCHBOARD_AGENT": f"{agents.stem}:{getattr(request, 'param', 'polite')}",
    }
    async with FakeLiveKitApi.serve([models.Room(sid="RM_a0", name="call-acme-1")]) as server:
        env = environment.merged(environment.inherited([agents.parent]), switchboard_env, {"LIVEKIT_URL": server.url})
        worker = Worker(WorkerSpec("one", ("premium",), env=drains), agents.parent, env, redis=redis_server)
        await worker.start()
        await open_rooms(dispatcher, "a", 1)

        async def running() -> bool:
            return "connecting" in (await call(rooms)).steps_ms

        await until(running)
        yield worker
        worker.kill()
        await worker.stop()


async def drains(rooms: RoomStore) -> None:
    async def so() -> bool:
        return [worker.state for worker in await rooms.list_workers()] == [Intake.DRAINING]

    await until(so)


async def one_waits(rooms: RoomStore) -> None:
    """Wait for one queued message. A BRPOP of the worker itself may have taken it; then it is returned."""

    async def so() -> bool:
        return await rooms.redis.llen("premium") == 1

    await until(so)


async def call(rooms: RoomStore) -> Room:
    room = await rooms.get("RM_a0")
    assert room is not None
    return room


async def test_a_worker_that_drains_takes_no_call_and_keeps_the_one_it_has(
    busy: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    busy.send(signal.SIGTERM)
    await drains(rooms)
    assert [worker.busy for worker in await rooms.list_workers()] == [1]
    await open_rooms(dispatcher, "b", 1)
    await one_waits(rooms)
    assert busy.running
    assert (await call(rooms)).state is State.RUNNING
    assert [room.sid for room in await rooms.list_open() if room.state is State.QUEUED] == ["RM_b0"]


@pytest.mark.parametrize(
    ("busy", "numbers"),
    [("stubborn", [signal.SIGQUIT]), ("polite", [signal.SIGTERM, signal.SIGTERM])],
    indirect=["busy"],
)
async def test_a_forced_drain_hands_the_call_over_and_stops_the_worker(
    busy: Worker, rooms: RoomStore, numbers: list[signal.Signals]
) -> None:
    for number in numbers:
        busy.send(number)
        await drains(rooms)

    async def handed_over() -> bool:
        # One that comes too soon after the first is the same, passed on by a wrapper.
        busy.send(numbers[-1])
        return (await call(rooms)).attempt == 2

    await until(handed_over)
    room = await call(rooms)
    assert (room.state, room.handed_over, room.reason) == (State.QUEUED, True, "its worker stops")
    assert await rooms.redis.zcard(keys.LEASES) == 0
    assert await stopped(busy, HAND_OVER_SECONDS + 5) == 0
    # And nothing that its child did after that has changed it.
    assert await call(rooms) == room
    assert await rooms.list_call_records() == []
    await rooms.requeue_lost_messages(0, 1)
    await one_waits(rooms)


async def test_the_command_prints_how_many_calls_are_left(
    busy: Worker, rooms: RoomStore, switchboard_env: dict[str, str]
) -> None:
    waiting = asyncio.create_task(switchboard(switchboard_env, *drain(busy, "--wait")))
    await drains(rooms)
    status, _, _ = await switchboard(switchboard_env, *drain(busy, "--now"))
    assert status == 0
    status, out, _ = await waiting
    assert status == 0
    assert f"{busy.node} has 1 call(s) left" in out
    assert out.splitlines()[-1] == f"{busy.node} has stopped"
    assert (await call(rooms)).attempt == 2
