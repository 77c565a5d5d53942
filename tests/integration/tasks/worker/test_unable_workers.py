"""Workers that could answer no call do not start, and one whose calls fail leaves them to others."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.binaries import Binaries
from ops.stack.errors import ProcessDied
from ops.stack.redis import RedisServer
from tasks.livekit_api import LiveKitClient
from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.reconcile.rescuer import Rescuer
from tasks.rooms import RoomStore, State, WorkerStatus
from tasks.settings import Settings
from tests.integration.tasks.worker.dispatched import all_dead, open_rooms
from tests.support.livekit_server import livekit_without_webhooks
from tests.support.tenants import declare, signer
from tests.support.waiting import until

AGENT = """
import os, pathlib, sys, time

async def entrypoint(ctx):
    await ctx.connect()
    ctx.shutdown("done")

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


async def test_a_worker_whose_default_agent_cannot_be_prewarmed_does_not_start(
    make: Callable[..., Worker], agents: Path
) -> None:
    (agents / "prewarm").write_text("raise RuntimeError('no model {here}')")
    log = await refused(make(folders=(agents,), SWITCHBOARD_AGENT="theirs:entrypoint"))
    reason = "cannot be prewarmed, so no call could be answered: RuntimeError: no model {here}"
    assert f"The agent 'theirs:entrypoint' {reason}" in log


async def test_a_worker_whose_default_agent_cannot_be_imported_does_not_start(make: Callable[..., Worker]) -> None:
    log = await refused(make(SWITCHBOARD_AGENT="no_such_module:entrypoint"))
    assert "No agent at 'no_such_module:entrypoint': importing no_such_module raised ModuleNotFoundError" in log


async def test_a_prewarm_that_fails_later_closes_the_gate_until_it_succeeds(
    make: Callable[..., Worker], agents: Path, rooms: RoomStore
) -> None:
    worker = make(folders=(agents,), SWITCHBOARD_AGENT="theirs:entrypoint")

    async def is_closed() -> bool:
        found = await status(rooms, worker)
        return found is not None and found.state == "children cannot be prewarmed"

    async with running(worker):
        await until(lambda: is_open(rooms, worker), 30)
        (agents / "prewarm").write_text("raise RuntimeError('the licence has expired')")
        for pid in children(worker.pid):
            os.kill(pid, signal.SIGKILL)
        await until(is_closed, 30)
        found = await status(rooms, worker)
        assert found is not None
        assert found.problem == "RuntimeError: the licence has expired"
        (agents / "prewarm").unlink()
        await until(lambda: is_open(rooms, worker), 40)
    assert len(logged(worker, "children cannot be prewarmed; no call is taken")) == 1
    assert len(logged(worker, "children are prewarmed again")) == 1


def children(pid: int) -> list[int]:
    """The children of a worker that run calls, without the one that cleans up after it."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in pids if b"janitor" not in Path(f"/proc/{child}/cmdline").read_bytes()]


async def test_one_worker_has_a_name_at_a_time(make: Callable[..., Worker], rooms: RoomStore) -> None:
    async def is_beating(worker: Worker) -> bool:
        found = await status(rooms, worker)
        return found is not None and found.pid == worker.pid

    # At once, so that neither has a heartbeat when the other looks for it.
    both = [make(), make()]
    results = await asyncio.gather(*(worker.start() for worker in both), return_exceptions=True)
    up, down = sorted(both, key=lambda worker: not worker.running)
    try:
        assert sorted(type(result).__name__ for result in results) == ["NoneType", "ProcessDied"]
        assert f"A worker {up.node} is up already" in down.log.read_text(encoding="utf-8")
        assert await is_beating(up)

        log = await refused(make())
        assert f"A worker {up.node} is up already, with the pid {up.pid} where it runs." in log
        assert await is_beating(up)

        up.kill()
        await up.exited()
        async with running(again := make()):
            assert await is_beating(again)
    finally:
        await asyncio.gather(*(worker.stop() for worker in both))


async def test_a_worker_with_another_secret_than_livekit_does_not_start(
    make: Callable[..., Worker], binaries: Binaries, tmp_path: Path
) -> None:
    async with livekit_without_webhooks(binaries, tmp_path) as livekit:
        key = {"LIVEKIT_URL": livekit.url, "LIVEKIT_API_KEY": livekit.api_key}
        wrong = "not-the-secret-of-this-server-at-all"
        log = await refused(make(**key, LIVEKIT_API_SECRET=wrong))
    assert f"The LiveKit server at {livekit.url} refuses the API key '{livekit.api_key}'." in log
    assert wrong not in log


async def test_a_worker_with_other_encryption_keys_does_not_start(
    make: Callable[..., Worker], dispatcher: Dispatcher
) -> None:
    # The fixture has declared a tenant.
    other = Fernet.generate_key().decode()
    log = await refused(make(SWITCHBOARD_ENCRYPTION_KEYS=other))
    assert "None of the 1 tenants in Redis is signed with an encryption key that this worker has." in log
    assert other not in log


async def test_calls_that_fail_on_a_worker_go_to_another_one_and_its_gate_closes(
    make: Callable[..., Worker], agents: Path, rooms: RoomStore, binaries: Binaries, tmp_path: Path
) -> None:
    async with livekit_without_webhooks(binaries, tmp_path) as livekit:
        env = {
            "LIVEKIT_URL": livekit.url,
            "LIVEKIT_API_KEY": livekit.api_key,
            "LIVEKIT_API_SECRET": livekit.api_secret,
        }
        settings = Settings.read(env | {"REDIS_URL": make().env["REDIS_URL"]})
        tenant = '[tenants.acme]\ntier = "premium"\nagent = "theirs:entrypoint"\n'
        await declare(rooms.redis, tenant, signed_by=signer(secret=livekit.api_secret))
        bad, good = make("bad", **env), make("good", folders=(agents,), **env)
        async with running(bad, good), receiving(settings, rooms) as dispatcher:
            await until(lambda: is_open(rooms, good), 30)
            sids: list[str] = []

            async def all_ended() -> bool:
                found = [await rooms.get(sid) for sid in sids]
                return all(room is not None and room.state is State.ENDED for room in found)

            async def is_failing() -> bool:
                # Which of the two takes a room is not decided, so there are rooms until the bad one has had enough.
                sids.append(await real_room(settings, dispatcher, len(sids)))
                found = await status(rooms, bad)
                return found is not None and found.state == "calls fail" and "theirs:entrypoint" in found.problem

            await until(is_failing, 60, every=0.3)
            await until(all_ended, 60)
        assert await rooms.list_dead_letters() == []
    assert {line["sid"] for line in logged(good, "call ended") if line["ending"] == "Ended"} == set(sids)
    assert len(logged(bad, "calls fail on this worker; others take them, if there are others")) == 1


@asynccontextmanager
async def receiving(settings: Settings, rooms: RoomStore) -> AsyncIterator[Dispatcher]:
    """A receiver's dispatcher and what puts delayed rooms back into their queues."""
    dispatcher = Dispatcher.from_settings(settings)
    rescuer = Rescuer(rooms, settings.lease.max_attempts)

    async def sweep() -> None:
        while True:
            await rescuer.requeue_lost_messages()
            await asyncio.sleep(0.2)

    sweeping = asyncio.create_task(sweep())
    try:
        yield dispatcher
    finally:
        sweeping.cancel()
        await asyncio.wait({sweeping})
        await dispatcher.aclose()


async def real_room(settings: Settings, dispatcher: Dispatcher, number: int) -> str:
    """Create a room on the LiveKit server, open it, and return its sid."""
    async with LiveKitClient.from_settings(settings.livekit) as livekit:
        name = f"call-acme-{number}"
        room = await livekit.create_room(name, metadata="", empty_seconds=60, departure_seconds=60)
    await dispatcher.open(RoomInfo(room.sid, room.name))
    return room.sid


async def is_open(rooms: RoomStore, worker: Worker) -> bool:
    found = await status(rooms, worker)
    return found is not None and found.state == "open"


async def test_a_failed_call_is_a_failed_task_with_its_reason(
    worker: Worker, rooms: RoomStore, dispatcher: Dispatcher
) -> None:
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\nagent = "no_such_module:entrypoint"\n')
    await all_dead(rooms, await open_rooms(dispatcher, "FAILS", 1))
    (line,) = logged(worker, "call cannot be answered here, and there is no other worker")
    assert line["level"] == "ERROR"
    assert line["reason"].startswith("No agent at 'no_such_module:entrypoint'")

    async def failed() -> bool:
        return "raised expected: CallFailed" in worker.log.read_text(encoding="utf-8")

    await until(failed, 10)
    assert "Traceback" not in worker.log.read_text(encoding="utf-8")
