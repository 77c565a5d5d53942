"""Workers that could answer no call do not start, and one whose calls fail leaves them to others."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.binaries import Binaries
from ops.stack.errors import ProcessDied
from ops.stack.redis import RedisServer
from tasks import installation
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore, WorkerStatus, keys
from tasks.settings import Settings
from tests.integration.tasks.worker.dispatched import all_dead, open_rooms
from tests.support.livekit_server import livekit_without_webhooks
from tests.support.tenants import declare
from tests.support.waiting import until

AGENT = """
import os, pathlib, sys, time

async def entrypoint(ctx):
    await ctx.connect()

def prewarm(proc):
    where = pathlib.Path(__file__).with_name("prewarm")
    if where.exists():
        exec(where.read_text())
"""


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """A folder with an agent whose prewarm runs what is in the file `prewarm`, if it is there."""
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "theirs.py").write_text(AGENT)
    return folder


@pytest.fixture
def make(
    redis_server: RedisServer, switchboard_env: dict[str, str], rooms: RoomStore, tmp_path: Path, load: Path
) -> Callable[..., Worker]:
    """A worker that is not started yet. The fixture `rooms` checks the keys that it leaves."""

    def make(name: str = "one", folders: tuple[Path, ...] = (), **settings: str) -> Worker:
        directory = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        directory.mkdir()
        env = environment.merged(environment.inherited(folders), switchboard_env)
        own = {"SWITCHBOARD_LOAD_FILE": str(load), "SWITCHBOARD_CALL_CORES": "0"} | settings
        return Worker(WorkerSpec(name, ("premium",), slots=1, env=own), directory, env, redis=redis_server)

    return make


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    try:
        await asyncio.gather(*(worker.start() for worker in workers))
        yield
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))


async def refused(worker: Worker) -> str:
    """The log of a worker that is expected to end at its start, without a traceback."""
    with pytest.raises(ProcessDied):
        await worker.start()
    log = worker.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    return log


def logged(worker: Worker, message: str) -> list[dict[str, Any]]:
    log = worker.log.read_text(encoding="utf-8").splitlines()
    return [
        line for line in map(json.loads, filter(lambda line: line.startswith("{"), log)) if line["message"] == message
    ]


async def status(rooms: RoomStore, worker: Worker) -> WorkerStatus | None:
    return next((each for each in await rooms.list_workers() if each.node == worker.node), None)


@pytest.mark.parametrize(
    ("prewarm", "reason"),
    [
        ("raise RuntimeError('no model {here}')", "RuntimeError: no model {here}"),
        ("sys.exit('no licence')", "SystemExit: no licence"),
        ("os.kill(os.getpid(), 9)", "its process was killed by SIGKILL"),
        ("time.sleep(600)", "it did not finish within 2 s"),
    ],
    ids=["raises", "exits", "dies", "hangs"],
)
async def test_a_worker_whose_default_agent_cannot_be_prewarmed_does_not_start(
    make: Callable[..., Worker], agents: Path, prewarm: str, reason: str
) -> None:
    (agents / "prewarm").write_text(prewarm)
    worker = make(folders=(agents,), SWITCHBOARD_AGENT="theirs:entrypoint", SWITCHBOARD_PREWARM_SECONDS="2")
    with pytest.raises(ProcessDied):
        await worker.start()
    log = worker.log.read_text(encoding="utf-8")
    assert f"The agent 'theirs:entrypoint' cannot be prewarmed, so no call could be answered: {reason}" in log
    # Of one that hangs the log shows where.
    assert ("in prewarm" in log) == (reason.startswith("it did not"))


@pytest.mark.parametrize("agent", ["no_such_module:entrypoint", "theirs:no_such_function", "theirs"])
async def test_a_worker_whose_default_agent_cannot_be_imported_does_not_start(
    make: Callable[..., Worker], agents: Path, agent: str
) -> None:
    log = await refused(make(folders=(agents,), SWITCHBOARD_AGENT=agent))
    assert f"No agent at {agent!r}" in log


async def test_a_prewarm_that_fails_later_closes_the_gate_until_it_succeeds(
    make: Callable[..., Worker], agents: Path, rooms: RoomStore
) -> None:
    worker = make(folders=(agents,), SWITCHBOARD_AGENT="theirs:entrypoint")

    async def is_open() -> bool:
        found = await status(rooms, worker)
        return found is not None and found.state == "open"

    async def is_closed() -> bool:
        found = await status(rooms, worker)
        return found is not None and found.state == "children cannot be prewarmed"

    async with running(worker):
        await until(is_open, 30)
        (agents / "prewarm").write_text("raise RuntimeError('the licence has expired')")
        for pid in children(worker.pid):
            os.kill(pid, signal.SIGKILL)
        await until(is_closed, 30)
        found = await status(rooms, worker)
        assert found is not None
        assert found.problem == "RuntimeError: the licence has expired"
        (agents / "prewarm").unlink()
        await until(is_open, 40)
    assert len(logged(worker, "children cannot be prewarmed; no call is taken")) == 1
    assert len(logged(worker, "children are prewarmed again")) == 1


def children(pid: int) -> list[int]:
    """The children of a worker that run calls: those that Celery has named so."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in pids if b"celery" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def test_the_second_worker_of_a_name_does_not_start_and_leaves_the_first_one_alone(
    make: Callable[..., Worker], rooms: RoomStore
) -> None:
    first, second = make(), make()
    async with running(first):
        log = await refused(second)
        assert f"A worker {first.node} is up already, with the pid {first.pid} where it runs." in log
        found = await status(rooms, first)
        assert found is not None
        assert found.pid == first.pid


async def test_of_two_workers_of_a_name_that_start_at_once_one_starts(
    make: Callable[..., Worker], rooms: RoomStore
) -> None:
    both = [make(), make()]
    results = await asyncio.gather(*(worker.start() for worker in both), return_exceptions=True)
    try:
        assert sorted(type(result).__name__ for result in results) == ["NoneType", "ProcessDied"]
        up, down = sorted(both, key=lambda worker: not worker.running)
        found = await status(rooms, up)
        assert found is not None
        assert found.pid == up.pid
        assert "is up already" in down.log.read_text(encoding="utf-8")
    finally:
        await asyncio.gather(*(worker.stop() for worker in both))


async def test_a_worker_that_was_killed_is_started_again_with_its_name(
    make: Callable[..., Worker], rooms: RoomStore
) -> None:
    first, second = make(), make()
    async with running(first):
        first.kill()
        await first.exited()
        async with running(second):
            found = await status(rooms, second)
            assert found is not None
            assert found.pid == second.pid
    # One of another host or container, that is gone: nobody here can see that, so its heartbeat has to expire.
    third = make()
    await beat_elsewhere(rooms, third.node)
    async with running(third):
        found = await status(rooms, third)
        assert found is not None
        assert found.pid == third.pid


async def beat_elsewhere(rooms: RoomStore, node: str) -> None:
    key = f"switchboard:worker:{node}"
    lost = WorkerStatus(node, ("premium",), 1, 1, 0.0, 0.0, "open", 7)
    fields = {**lost.fields(), "process": "another-machine 7 1"}
    await cast("Any", rooms.redis.hset(key, mapping=cast("Any", fields)))
    await rooms.redis.pexpire(key, 2000)


async def test_a_worker_with_another_secret_than_livekit_does_not_start(
    make: Callable[..., Worker], binaries: Binaries, tmp_path: Path
) -> None:
    async with livekit_without_webhooks(binaries, tmp_path) as livekit:
        key = {"LIVEKIT_URL": livekit.url, "LIVEKIT_API_KEY": livekit.api_key}
        wrong = "not-the-secret-of-this-server-at-all"
        log = await refused(make(**key, LIVEKIT_API_SECRET=wrong))
        assert f"The LiveKit server at {livekit.url} refuses the API key '{livekit.api_key}'." in log
        assert wrong not in log
        async with running(make("right", **key, LIVEKIT_API_SECRET=livekit.api_secret)):
            pass


async def test_settings_that_differ_from_the_receivers_are_said_once_for_each_change(
    make: Callable[..., Worker], rooms: RoomStore, switchboard_env: dict[str, str]
) -> None:
    worker = make(SWITCHBOARD_LEASE_TTL_MS="9000")

    async def said(times: int) -> None:
        async def enough() -> bool:
            return len(logged(worker, "settings differ from the receivers'")) >= times

        await until(enough, 30)

    async with running(worker):
        await publish(rooms, switchboard_env)
        await said(1)
        await publish(rooms, switchboard_env | {"SWITCHBOARD_TIERS": "premium=fast"})
        await said(2)
        await publish(rooms, switchboard_env | {"SWITCHBOARD_TIERS": "premium=fast", "SWITCHBOARD_SLOTS": "3"})
        await publish(rooms, switchboard_env | {"SWITCHBOARD_LEASE_TTL_MS": "9000"})

        async def same() -> bool:
            return bool(logged(worker, "settings are the receivers' again"))

        await until(same, 30)
    first, second = logged(worker, "settings differ from the receivers'")
    assert first["differences"] == "SWITCHBOARD_LEASE_TTL_MS is 9000 here and 6000 there"
    assert "SWITCHBOARD_TIERS is free=free,premium=premium,standard=standard here and premium=fast there" in str(second)


async def publish(rooms: RoomStore, env: dict[str, str]) -> None:
    await installation.publish(rooms.redis, keys.INSTALLATION, installation.shared_settings(Settings.read(env)))


async def test_a_call_that_fails_on_a_worker_goes_to_another_one_first(
    make: Callable[..., Worker], agents: Path, rooms: RoomStore, dispatcher: Dispatcher
) -> None:
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\nagent = "theirs:entrypoint"\n')
    bad, good = make("bad"), make("good", folders=(agents,))
    async with running(bad, good):
        sids = await open_rooms(dispatcher, "LOCAL", 3)

        async def on_the_good_one() -> bool:
            found = [await rooms.get(sid) for sid in sids]
            # There it fails too, but for want of a LiveKit server: its agent was imported.
            return all(room is not None and "LiveKit" in room.reason for room in found)

        await until(on_the_good_one, 60)
        assert await rooms.list_dead_letters() == []
    errors = logged(bad, "call lost")
    assert all("no_such" in line["reason"] or "theirs" in line["reason"] for line in errors)


async def test_a_failed_call_is_a_failed_task_with_its_reason(
    worker: Worker, rooms: RoomStore, dispatcher: Dispatcher
) -> None:
    await all_dead(rooms, await open_rooms(dispatcher, "FAILS", 1))
    (line,) = logged(worker, "call lost")
    assert line["level"] == "ERROR"
    assert "The LiveKit server did not answer" in line["reason"]

    async def failed() -> bool:
        return "raised expected: CallFailed" in worker.log.read_text(encoding="utf-8")

    await until(failed, 10)
    assert "Traceback" not in worker.log.read_text(encoding="utf-8")
