"""Redis answers with errors for a while: nothing ends for it, and afterwards all goes on by itself.

A worker with a call, and a receiver with its reconciler, which is the leader, go through one trouble after another.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from livekit.protocol import models

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.process import ManagedProcess
from ops.stack.receiver import Receiver
from tasks.rooms import Room, RoomStore, State
from tests.integration.redis import troubles
from tests.integration.redis.troubles import ConfiguredServer, Trouble
from tests.integration.webhooks.sender import KEY, SECRET, Sender, event, new_sid
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.tenants import declare
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANTS = '[tenants.acme]\ntier = "premium"\n'
AGENT = "import asyncio\n\nasync def silent(ctx):\n    await asyncio.Event().wait()\n"
CALL = "RM_running"


@dataclass
class Installation:
    redis: ConfiguredServer
    worker: Worker
    receiver: Receiver
    sender: Sender

    async def room(self, sid: str) -> Room | None:
        async with self.redis.client() as client:
            return await RoomStore(client).get(sid)


def logged(part: ManagedProcess, message: str) -> list[dict[str, str]]:
    """Return the lines of a part's log with this message."""
    lines = part.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [entry for line in lines if line.startswith("{") and (entry := json.loads(line))["message"] == message]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    directory = tmp_path_factory.mktemp("answers")
    (directory / "silent_agents.py").write_text(AGENT, encoding="utf-8")
    (directory / "load").write_text("0", encoding="utf-8")
    ports = PortPicker()
    redis = ConfiguredServer(directory, environment.inherited(), binary=str(binaries.redis), port=ports.pick())
    async with FakeLiveKitApi.serve([models.Room(sid=CALL, name="call-acme-1")]) as livekit:
        env = environment.inherited([directory]) | {
            "LIVEKIT_URL": livekit.url,
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "REDIS_URL": redis.url,
            "SWITCHBOARD_PRELOAD_EXTRAS": "none",
            "SWITCHBOARD_AGENT": "silent_agents:silent",
            "SWITCHBOARD_LOAD_FILE": str(directory / "load"),
            "SWITCHBOARD_CALL_CORES": "0",
        }
        worker = Worker(WorkerSpec("one", ("premium",), slots=2), directory, env, redis=redis)
        receiver = Receiver("receiver", directory, env, port=ports.pick())
        await redis.start()
        try:
            async with redis.client() as client:
                await declare(client, TENANTS)
            await receiver.start()
            await worker.start()
            async with aiohttp.ClientSession() as session:
                started = Installation(redis, worker, receiver, Sender(session, receiver.port))
                await started.sender.post(event("room_started", CALL))
                await until(lambda: is_running(started))
                yield started
        finally:
            worker.kill()
            for part in (worker, receiver, redis):
                await part.stop()


async def is_running(installation: Installation) -> bool:
    room = await installation.room(CALL)
    return room is not None and "connecting" in room.steps_ms


@pytest.mark.parametrize(
    "trouble",
    [
        troubles.replica,
        troubles.stale_replica,
        troubles.no_memory,
        troubles.no_snapshot,
        troubles.no_permission,
        troubles.no_replicas,
        troubles.busy,
        troubles.other_password,
        troubles.no_connections,
        troubles.loading,
    ],
)
async def test_what_redis_answers_instead_is_waited_out_like_silence(
    installation: Installation, trouble: Trouble
) -> None:
    worker, sender = installation.worker, installation.sender
    failures = len(logged(worker, "Redis fails"))
    ends = len(logged(worker, "Redis answers again"))
    before = await installation.room(CALL)
    sid = new_sid()
    body = event("room_started", sid)

    async def noticed() -> bool:
        assert worker.running, worker.tail()
        return len(logged(worker, "Redis fails")) > failures

    async def over() -> bool:
        assert worker.running, worker.tail()
        return len(logged(worker, "Redis answers again")) > ends

    async with trouble(installation.redis):
        await until(noticed)
        refused = await sender.post(body)
        # A script whose first write frees memory is let through by a Redis without any, as a whole: then the room is
        # open, and waits.
        opened = trouble is troubles.no_memory and await installation.room(sid)
        assert (refused.status, refused.outcome) == (503, "unavailable") or opened
        assert await sender.status("/readyz") == 503
    await until(over)

    async def answered() -> bool:
        assert worker.running, worker.tail()
        if await sender.status("/readyz") != 200:
            return False
        await sender.post(body)
        room = await installation.room(sid)
        return room is not None and "claimed" in room.steps_ms

    await until(answered)
    # The call that ran has noticed nothing.
    room = await installation.room(CALL)
    assert before is not None
    assert room is not None
    assert (room.state, room.attempt, room.claimant) == (State.RUNNING, before.attempt, before.claimant)
    assert not logged(worker, "lease lost; leaving the room")
    address = f"127.0.0.1:{installation.redis.port}"
    for part in (worker, installation.receiver):
        lines = logged(part, "Redis fails")
        assert {line["redis"] for line in lines} == {address}
        assert installation.redis.url.split(":")[2].partition("@")[0] not in part.log.read_text(encoding="utf-8")
