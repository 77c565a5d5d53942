"""Redis answers with errors for a while: nothing ends for it, and afterwards all goes on by itself.

A worker with a call, and a receiver with its reconciler, which is the leader, go through one trouble after another.
They reach Redis by an address that may lead to another server, as that of a managed one does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from livekit.protocol import models

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from ops.stack.receiver import Receiver
from tasks.rooms import Room, RoomStore, State
from tests.integration.redis import troubles
from tests.integration.redis.troubles import PASSWORD, ConfiguredServer, Trouble
from tests.integration.webhooks.sender import KEY, SECRET, Sender, event, new_sid
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.light_worker import LIGHT
from tests.support.switch import Switch
from tests.support.tenants import declare, signer
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANTS = '[tenants.acme]\ntier = "premium"\n'
AGENT = "import asyncio\n\nasync def silent(ctx):\n    await asyncio.Event().wait()\n"
CALL = "RM_running"
OK, UNAVAILABLE = 200, 503


@dataclass
class Installation:
    redis: ConfiguredServer
    address: Switch
    worker: Worker
    receiver: Receiver
    sender: Sender
    may_open: bool = False
    failures: int = 0

    async def room(self, sid: str) -> Room | None:
        async with self.redis.client() as client:
            return await RoomStore(client).get(sid)


def logged(part: ManagedProcess, message: str) -> list[dict[str, str]]:
    """Return the lines of a part's log with this message."""
    lines = part.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [entry for line in lines if line.startswith("{") and (entry := json.loads(line))["message"] == message]


def of_main_process(worker: ManagedProcess, message: str) -> int:
    """Return how often the worker's main process has logged this. Its children log their own outages."""
    return sum(line["logger"] == "switchboard.tasks.worker" for line in logged(worker, message))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    directory = tmp_path_factory.mktemp("answers")
    (directory / "silent_agents.py").write_text(AGENT, encoding="utf-8")
    (directory / "load").write_text("0", encoding="utf-8")
    ports = PortPicker()
    redis = ConfiguredServer(directory, environment.inherited(), binary=str(binaries.redis), port=ports.pick())
    room = models.Room(sid=CALL, name=f"room-of-{CALL}")
    async with FakeLiveKitApi.serve([room]) as livekit, Switch.serve(redis.port) as address:
        env = environment.inherited([directory]) | {
            "LIVEKIT_URL": livekit.url,
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "SWITCHBOARD_CONNECT_SECONDS": "3600",
            "REDIS_URL": redis.url.replace(f":{redis.port}/", f":{address.port}/"),
            **LIGHT,
            "SWITCHBOARD_AGENT": "silent_agents:silent",
            "SWITCHBOARD_LOAD_FILE": str(directory / "load"),
            "SWITCHBOARD_CALL_CORES": "0",
        }
        worker = Worker(WorkerSpec("one", ("premium",), slots=2), directory, env, redis=redis)
        receiver = Receiver("receiver", directory, env, port=ports.pick())
        await redis.start()
        try:
            async with redis.client() as client:
                await declare(client, TENANTS, signed_by=signer(secret=SECRET))
            await receiver.start()
            await worker.start()
            async with aiohttp.ClientSession() as session:
                started = Installation(redis, address, worker, receiver, Sender(session, receiver.port))
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
    # A script whose first write frees memory is let through by a Redis that has none, as a whole.
    async with waited_out(installation, may_open=trouble is troubles.no_memory), trouble(installation.redis):
        await noticed(installation)


async def test_an_answer_that_breaks_off_is_waited_out_too(installation: Installation) -> None:
    async with waited_out(installation):
        installation.address.cut_after = 3
        await noticed(installation)
        installation.address.cut_after = None


async def test_an_address_that_leads_to_a_replica_leads_to_the_master_again_by_itself(
    installation: Installation, standby: ConfiguredServer
) -> None:
    """As in a managed failover: the connections to the old master stay, and it answers READONLY for good."""
    old = installation.redis
    async with waited_out(installation), old.client() as before, standby.client() as after:
        await after.replicaof(HOST, old.port)

        async def replicates() -> bool:
            return bool((await after.info("replication"))["master_link_status"] == "up")

        await until(replicates)
        await after.replicaof("NO", "ONE")
        await before.replicaof(HOST, standby.port)
        await noticed(installation)
        installation.address.target = standby.port
        installation.redis = standby
    # Celery's events, which a replica would take and show to nobody, are with the new master too.
    async with standby.client() as client, client.pubsub() as events:
        await events.psubscribe("/0.celeryev/*")

        async def heard() -> bool:
            message = await events.get_message(ignore_subscribe_messages=True, timeout=1)
            return message is not None

        await until(heard)


@pytest_asyncio.fixture(loop_scope="module")
async def standby(binaries: Binaries, tmp_path: Path) -> AsyncIterator[ConfiguredServer]:
    started = ConfiguredServer(tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    await started.start()
    yield started
    await started.stop()


@asynccontextmanager
async def waited_out(installation: Installation, *, may_open: bool = False) -> AsyncIterator[None]:
    """What has to be so after a trouble: the next call is answered, and the one that runs has noticed nothing."""
    worker, sender = installation.worker, installation.sender
    ends = of_main_process(worker, "Redis answers again")
    before = await installation.room(CALL)
    installation.may_open = may_open
    installation.failures = of_main_process(worker, "Redis fails")
    yield

    async def over() -> bool:
        assert worker.running, worker.tail()
        return of_main_process(worker, "Redis answers again") > ends

    await until(over)
    sid = new_sid()

    async def answered() -> bool:
        assert worker.running, worker.tail()
        if await sender.status("/readyz") != OK:
            return False
        await sender.post(event("room_started", sid))
        room = await installation.room(sid)
        return room is not None and "claimed" in room.steps_ms

    await until(answered)
    room = await installation.room(CALL)
    assert before is not None
    assert room is not None
    assert (room.state, room.attempt, room.claimant) == (State.RUNNING, before.attempt, before.claimant)
    assert not logged(worker, "lease lost; leaving the room")
    for part in (worker, installation.receiver):
        assert {line["redis"] for line in logged(part, "Redis fails")} == {f"127.0.0.1:{installation.address.port}"}
        assert PASSWORD not in part.log.read_text(encoding="utf-8")


async def noticed(installation: Installation) -> None:
    """Wait until the worker has noticed a trouble. A receiver refuses webhooks meanwhile, and is not ready."""
    worker, sender = installation.worker, installation.sender

    async def so() -> bool:
        assert worker.running, worker.tail()
        return of_main_process(worker, "Redis fails") > installation.failures

    await until(so)
    refused = await sender.post(event("room_started", new_sid()))
    assert (refused.status, refused.outcome) == (503, "unavailable") or installation.may_open
    assert await sender.status("/readyz") == UNAVAILABLE
