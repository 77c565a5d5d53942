"""A call that an operator ends or moves, on real workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.stack import Worker, WorkerSpec
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import (
    AttemptEnding,
    CallOperations,
    CallState,
    EndedBy,
    EndRequestResult,
    Room,
    RoomStore,
    State,
    keys,
)
from tests.integration.tasks.worker.calling import SID, CallingWorker, calling
from tests.support.command import fresh_switchboard, switchboard
from tests.support.rooms import open_some_room
from tests.support.waiting import until

AGENT = """
import asyncio

async def entrypoint(ctx):
    await asyncio.Event().wait()
"""


async def reached(worker: CallingWorker, state: State, attempt: int = 1) -> Room:
    async def is_there() -> bool:
        room = await worker.room()
        return room.state is state and room.attempt == attempt

    await until(is_there, 30)
    return await worker.room()


async def test_an_operator_moves_a_call_to_another_worker_and_then_ends_it(
    redis_server: RedisServer,
    switchboard_env: dict[str, str],
    dispatcher: Dispatcher,
    rooms: RoomStore,
    tmp_path: Path,
) -> None:
    async with calling(redis_server, switchboard_env, dispatcher, rooms, tmp_path, AGENT) as worker:
        before = await worker.room()
        alone = await fresh_switchboard({"REDIS_URL": switchboard_env["REDIS_URL"]}, "calls", "move", before.name)
        assert alone[0] == 1
        assert "No other worker can take a call of premium now" in alone[2]

        other = Worker(
            WorkerSpec("two", ("premium",), slots=1, env=worker.process.spec.env),
            tmp_path,
            worker.process.env,
            redis=redis_server,
        )
        await other.start()

        async def can_take_it() -> bool:
            return any(status.node == other.node and status.idle for status in await rooms.list_workers())

        try:
            await until(can_take_it, 30)
            status, out, err = await switchboard(
                {"REDIS_URL": switchboard_env["REDIS_URL"]}, "calls", "move", before.name
            )
            assert (status, err) == (0, "")
            assert out == f"{before.name} is handed over from {worker.process.node} to {other.node}\n"
            after = await reached(worker, State.RUNNING, attempt=2)
            assert (after.worker, after.handed_over) == (other.node, True)
            # It was no failure, and the first worker has a slot again.
            (record,) = await rooms.list_attempt_records()
            assert (record.ending, record.reason) == (AttemptEnding.HANDED_OVER, "moved by an operator")

            status, out, err = await switchboard({"REDIS_URL": switchboard_env["REDIS_URL"]}, "calls", "end", SID)
            assert (status, err) == (0, "")
            assert out == f"{before.name} is over\n"
            over = await reached(worker, State.ENDED, attempt=2)
            assert (over.ended_by, over.reason, over.public_reason) == ("operator", "ended by an operator", "ended")
            (call,) = await rooms.list_call_records()
            assert (call.state, call.ended_by, call.outcome) == (
                CallState.ENDED,
                EndedBy.OPERATOR,
                "ended by an operator",
            )
            # The reconciler notifies its callers, and deletes the room.
            assert await rooms.redis.zrange(keys.NOTIFY, 0, -1) == [SID]
        finally:
            other.kill()
            await other.stop()


@pytest.fixture
async def waiting(rooms: RoomStore) -> str:
    await open_some_room(rooms, name="call-acme-1")
    return "RM_1"


async def test_a_call_that_nobody_has_answered_is_over_at_once_and_leaves_its_queue(
    rooms: RoomStore, waiting: str
) -> None:
    operations = CallOperations(rooms.redis)

    assert await operations.end(waiting, tenants=["basic"]) is EndRequestResult.UNKNOWN
    assert await operations.end(waiting, tenants=["acme", "basic"], outcome="x") is EndRequestResult.ENDED
    assert await operations.end(waiting) is EndRequestResult.OVER

    assert await rooms.redis.llen("premium") == 0
    (call,) = await rooms.list_call_records()
    assert (call.state, call.outcome, call.attempts) == (CallState.ENDED, "x", 0)


async def test_a_move_that_was_asked_for_does_not_move_the_next_attempt_too(rooms: RoomStore, waiting: str) -> None:
    operations = CallOperations(rooms.redis)
    assert not await operations.move(waiting, 1)
    await rooms.claim(waiting, 1, claimant="a", worker="w", pid=1)
    assert not await operations.move(waiting, 2)
    assert await operations.move(waiting, 1)
    assert await rooms.renew(waiting, 1) == "moving"

    await rooms.requeue(waiting, 1, queue="premium", message=b"{}", reason="r", max_attempts=5)
    await rooms.claim(waiting, 2, claimant="b", worker="w", pid=1)

    assert await rooms.renew(waiting, 2) == "renewed"
