"""Agents that get stuck: a call is free a bounded time after it is over, and a caller has an agent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from ops.stack import Worker, WorkerSpec
from tasks.rooms import Room, State
from tests.acceptance.installation import Installation
from tests.support.light_worker import LIGHT
from tests.support.waiting import until

LEASE_SECONDS, PAUSE_SECONDS, HANG_SECONDS = 1.5, 3.0, 6.0
AGENTS = ("hangs_in_a_callback", "blocks_for_a_while", "blocks_for_good", "holds_the_lock", "undecided", "shuts_down")
TENANTS = "".join(f'[tenants.{name}]\ntier = "short"\nmax_calls = 1\nagent = "stuck_agent:{name}"\n' for name in AGENTS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(installation: Installation) -> AsyncIterator[Worker]:
    """A worker with short limits, in which the pause of an agent is longer than its lease."""
    env = {
        **LIGHT,
        "SWITCHBOARD_LEASE_TTL_MS": str(round(LEASE_SECONDS * 1000)),
        "SWITCHBOARD_LEASE_RENEW_MS": "500",
        "SWITCHBOARD_HANG_SECONDS": str(HANG_SECONDS),
        "SWITCHBOARD_REQUEST_SECONDS": "2",
        "SWITCHBOARD_SHUTDOWN_SECONDS": "2",
    }
    worker = await installation.stack.add_worker(WorkerSpec("short", ("short",), env=env))
    async with installation.more_tenants(TENANTS):
        yield worker
    await worker.stop()


async def second_attempt_joins(running: Installation, sid: str) -> Room:
    return await running.reaches(sid, lambda room: room.attempt == 2 and "joined" in room.steps_ms)


async def gone(pid: int) -> None:
    async def is_gone() -> bool:
        return not psutil.pid_exists(pid)

    await until(is_gone)


async def test_a_shutdown_callback_that_never_returns_holds_nothing_for_long(
    running: Installation, worker: Worker
) -> None:
    async with running.call("hangs_in_a_callback") as caller:
        room = await running.reaches(caller.room_sid, lambda room: "joined" in room.steps_ms)
    # Its tenant may have one call, so the next one shows that the place is free.
    ended = await running.reaches(room.sid, State.ENDED)
    assert (ended.reason, ended.ended_by, ended.attempt) == ("room empty", "callers", 1)
    assert room.pid is not None
    await gone(room.pid)
    async with running.call("hangs_in_a_callback") as caller:
        await running.reaches(caller.room_sid, lambda room: "joined" in room.steps_ms)
    log = worker.log.read_text()
    assert "the call is stuck; ending its process" in log
    assert "(upload_that_never_ends)" in log


async def test_an_agent_that_blocks_for_longer_than_its_lease_makes_a_pause_and_keeps_its_call(
    running: Installation, worker: Worker
) -> None:
    async with running.call("blocks_for_a_while") as caller:

        async def done() -> bool:
            people = caller.room.remote_participants.values()
            return any(person.attributes.get("tool") == "done" for person in people)

        await until(done)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        assert room.attempt == 1
        assert "lease lost" not in worker.log.read_text()


@pytest.mark.parametrize("agent", ["blocks_for_good", "holds_the_lock"])
async def test_an_agent_that_blocks_for_good_is_replaced_and_the_log_names_the_line(
    running: Installation, worker: Worker, agent: str
) -> None:
    async with running.call(agent) as caller:
        first = await running.reaches(caller.room_sid, State.RUNNING)
        assert first.pid is not None
        await second_attempt_joins(running, caller.room_sid)
        await gone(first.pid)

    async def named() -> bool:
        return agent in worker.log.read_text()

    await until(named)
    assert "stuck_agent.py" in worker.log.read_text()


async def test_a_request_hook_that_never_decides_is_asked_again_by_the_next_attempt(
    running: Installation, worker: Worker
) -> None:
    async with running.call("undecided") as caller:
        room = await second_attempt_joins(running, caller.room_sid)
        assert "requesting took more than 2 s" in room.reason
        assert "(_decides_late)" in worker.log.read_text()


async def test_nobody_follows_an_agent_that_has_handed_the_caller_to_a_person(
    running: Installation, worker: Worker
) -> None:
    del worker
    name = running.room_name("shuts_down")
    async with running.call("shuts_down", room=name) as caller:
        room = await running.reaches(caller.room_sid, State.ENDED)
        assert (room.reason, room.ended_by) == ("handed to a colleague", "agent")
        async with running.call("shuts_down", room=name, identity="colleague"):
            # By webhook, and by the reconciler's next looks at the server.
            await asyncio.sleep(6)
            assert (await running.reaches(room.sid, State.ENDED)).attempt == 1
