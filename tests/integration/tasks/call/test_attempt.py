"""The ways in which an attempt can end: the table in `tasks.call.attempt`, with a real Redis and a made-up call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from ops.stack.redis import RedisServer
from pipeline.conversation import Conversation
from pipeline.errors import AgentCrashed, AgentNotFound, AgentWithdrawn
from pipeline.outcome import CallOutcome, EndedBy
from tasks.call import attempt as attempts
from tasks.call.attempt import run_attempt
from tasks.call.child import Child
from tasks.call.drain import Drain
from tasks.rooms import RoomStore, State
from tasks.settings import Settings
from tasks.tenants import Tenant

Run = Callable[[], Coroutine[Any, Any, str]]


class MadeUpCall:
    """A call that goes on until it is told to end, or raises `error` at once."""

    error: Exception | None = None
    done_by_itself = False
    started: asyncio.Event
    commands: list[str]

    def __init__(self, options: object, runner: object, conversation: Conversation, **_: object) -> None:
        del options, runner
        self.conversation = conversation
        self._ended: asyncio.Future[CallOutcome] = asyncio.get_running_loop().create_future()

    async def run(self) -> CallOutcome:
        self.started.set()
        if self.error is not None:
            raise self.error
        return CallOutcome("the agent is done", EndedBy.AGENT) if self.done_by_itself else await self._ended

    # As in a call, only the first of these counts.
    def hang_up(self, reason: str, ended_by: EndedBy = EndedBy.CALLERS) -> None:
        if not self._ended.done():
            self.commands.append(f"hang up: {reason}")
            self._ended.set_result(CallOutcome(reason, ended_by))

    async def leave(self, reason: str) -> None:
        if not self._ended.done():
            self.commands.append(f"leave: {reason}")
            self._ended.set_exception(AgentWithdrawn(reason=reason))

    async def between_turns(self, _: float) -> None:
        return

    def conversation_json(self) -> str:
        return self.conversation.to_json()


class OneTenant:
    async def get_with_keys(self, tenant: str) -> tuple[Tenant, dict[str, str]]:
        return Tenant(id=tenant, tier="premium"), {}


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> type[MadeUpCall]:
    class ThisCall(MadeUpCall):
        started = asyncio.Event()
        commands: list[str] = []  # noqa: RUF012 - of this test alone

    monkeypatch.setattr(attempts, "Call", ThisCall)
    monkeypatch.setattr(Child, "runner_for", lambda *_: None)
    return ThisCall


@pytest.fixture
def drain() -> Drain:
    return Drain()


@pytest.fixture
async def run(
    rooms: RoomStore,
    redis_server: RedisServer,
    switchboard_env: dict[str, str],
    call: type[MadeUpCall],
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Answer the room RM_1, which is queued, in its first attempt. `rooms` stays open for the test."""
    monkeypatch.setenv("SWITCHBOARD_LEASE_RENEW_MS", "50")
    await rooms.open(
        sid="RM_1",
        name="call-acme-1",
        tenant="acme",
        tier="premium",
        queue="premium",
        message=b"",
        started_at_ms=None,
        received_at_ms=0,
    )

    async def answer() -> str:
        redis = redis_server.client()
        child = Child(
            Settings.read(), cast("asyncio.Runner", None), redis, RoomStore(redis), cast("Any", OneTenant()), drain
        )
        return await asyncio.wait_for(run_attempt("RM_1", 1, worker="celery@one", child=child), 10)

    return answer


async def state(rooms: RoomStore) -> tuple[State, int, str]:
    room = await rooms.get("RM_1")
    assert room is not None
    return room.state, room.attempt, room.reason


async def test_a_claim_that_is_refused_changes_nothing(rooms: RoomStore, run: Run) -> None:
    await rooms.claim("RM_1", 1, claimant="another", worker="celery@two", pid=1)
    assert await run() == "refused: taken"
    assert await state(rooms) == (State.RUNNING, 1, "")


async def test_a_call_that_is_over_is_ended_with_a_record(rooms: RoomStore, run: Run, call: type[MadeUpCall]) -> None:
    call.done_by_itself = True
    assert await run() == "the agent is done"
    assert await state(rooms) == (State.ENDED, 1, "the agent is done")
    (record,) = await rooms.list_call_records()
    assert record.outcome == "the agent is done"


async def test_a_room_that_has_finished_makes_its_call_hang_up(
    rooms: RoomStore, run: Run, call: type[MadeUpCall]
) -> None:
    running = asyncio.create_task(run())
    await call.started.wait()
    await rooms.close("RM_1")
    assert await running == "room finished"
    assert call.commands == ["hang up: room finished"]
    assert await state(rooms) == (State.ENDED, 1, "room finished")


async def test_a_call_that_has_lost_its_lease_leaves_and_changes_nothing(
    rooms: RoomStore, run: Run, call: type[MadeUpCall]
) -> None:
    running = asyncio.create_task(run())
    await call.started.wait()
    await rooms.requeue("RM_1", 1, queue="premium", message=b"", reason="lost", max_attempts=5)
    assert await running == "lost: stale"
    assert call.commands == ["leave: lease lost"]
    assert await state(rooms) == (State.QUEUED, 2, "lost")


async def test_a_drain_hands_the_call_over_with_its_conversation(
    rooms: RoomStore, run: Run, call: type[MadeUpCall], drain: Drain
) -> None:
    running = asyncio.create_task(run())
    await call.started.wait()
    drain.begin(0)
    assert await running == "lost: stale"
    assert call.commands == ["leave: handed over"]
    assert await state(rooms) == (State.QUEUED, 2, "its worker stops")
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.handed_over
    assert await rooms.conversation("RM_1") is not None


async def test_a_call_that_is_over_before_its_worker_drains_is_not_handed_over(
    rooms: RoomStore, run: Run, call: type[MadeUpCall], drain: Drain
) -> None:
    call.done_by_itself = True
    drain.begin(3600)
    began = time.monotonic()
    assert await run() == "the agent is done"
    assert time.monotonic() - began < 5
    assert await state(rooms) == (State.ENDED, 1, "the agent is done")


async def test_an_error_that_another_attempt_may_mend_queues_the_room_again(
    rooms: RoomStore, run: Run, call: type[MadeUpCall]
) -> None:
    call.error = AgentCrashed(error="ValueError: a bug")
    assert await run() == "lost: requeued"
    assert await state(rooms) == (State.QUEUED, 2, "The agent's entrypoint raised ValueError: a bug.")


async def test_an_error_that_no_attempt_can_mend_is_a_dead_letter(
    rooms: RoomStore, run: Run, call: type[MadeUpCall]
) -> None:
    call.error = AgentNotFound(path="module:agent", cure="there is no module")
    assert await run() == "dead: No agent at 'module:agent': there is no module."
    assert (await state(rooms))[:2] == (State.DEAD, 1)
    (letter,) = await rooms.list_dead_letters()
    assert letter.reason == "No agent at 'module:agent': there is no module."


async def test_a_bug_of_ours_queues_the_room_again(rooms: RoomStore, run: Run, call: type[MadeUpCall]) -> None:
    call.error = ZeroDivisionError()
    assert await run() == "lost: requeued"
    assert await state(rooms) == (State.QUEUED, 2, "ZeroDivisionError")
