"""The ways in which an attempt can end: the table in `tasks.call.ending`, with a real Redis and a made-up call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import pytest

from ops.stack.redis import RedisServer
from pipeline.conversation import Conversation
from pipeline.errors import AgentCrashed, AgentNotFound, AgentWithdrawn, RoomUnreachable
from pipeline.outcome import CallOutcome, EndedBy
from tasks.call import attempt as attempts
from tasks.call.attempt import run_attempt
from tasks.call.child import Child
from tasks.call.drain import Drain
from tasks.call.scoreboard import Scoreboard
from tasks.rooms import RoomStore, State
from tasks.settings import Settings
from tasks.tenants import Tenant
from tests.support.rooms import open_some_room
from tests.support.waiting import until

Run = Callable[[], Coroutine[Any, Any, str]]


class MadeUpCall:
    """A call that goes on until it is told to end, or raises `error` at once."""

    error: Exception | None = None
    done_by_itself = False
    started: asyncio.Event
    finish: asyncio.Event
    commands: list[str]

    def __init__(self, options: object, runner: object, conversation: Conversation, **_: object) -> None:
        del options, runner
        self.conversation = conversation
        self._ended: asyncio.Future[CallOutcome] = asyncio.get_running_loop().create_future()

    async def run(self) -> CallOutcome:
        self.started.set()
        if self.error is not None:
            raise self.error
        if self.done_by_itself:
            return CallOutcome("the agent is done", EndedBy.AGENT)
        finish = asyncio.create_task(self.finish.wait())
        waits: set[asyncio.Future[Any]] = {self._ended, finish}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finish.cancel()
        return self._ended.result() if self._ended.done() else CallOutcome("room empty", EndedBy.CALLERS)

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

    def report_metrics(self) -> None:
        return


class OneTenant:
    async def get_with_keys(self, tenant: str) -> tuple[Tenant, dict[str, str]]:
        return Tenant(id=tenant, tier="premium"), {}


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> type[MadeUpCall]:
    class ThisCall(MadeUpCall):
        started = asyncio.Event()
        finish = asyncio.Event()
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
    tmp_path: Path,
) -> Run:
    """Answer the room RM_1, which is queued, in its first attempt. `rooms` stays open for the test."""
    monkeypatch.setenv("SWITCHBOARD_LEASE_RENEW_MS", "50")
    monkeypatch.setenv("SWITCHBOARD_REDIS_DEADLINE_SECONDS", "0.2")
    await open_some_room(rooms, name="call-acme-1")

    async def answer() -> str:
        redis = redis_server.client()
        child = Child(
            Settings.read(),
            cast("asyncio.Runner", None),
            redis,
            RoomStore(redis),
            cast("Any", OneTenant()),
            drain,
            Scoreboard(tmp_path / "scoreboard").row(0),
        )
        return await asyncio.wait_for(run_attempt("RM_1", 1, worker="celery@one", child=child), 10)

    return answer


@asynccontextmanager
async def stopped(redis_server: RedisServer) -> AsyncIterator[None]:
    """Redis does not answer."""
    redis_server.pause()
    try:
        yield
    finally:
        redis_server.resume()


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
    assert (record.outcome, record.ended_by) == ("the agent is done", "agent")
    (attempt,) = await rooms.list_attempt_records()
    assert (attempt.ending, attempt.version) == ("ended", metadata.version("livekit-switchboard"))


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
    assert await running == "handed over: requeued"
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


async def test_an_error_of_the_server_queues_the_room_again_and_uses_up_no_attempt(
    rooms: RoomStore, run: Run, call: type[MadeUpCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHBOARD_MAX_ATTEMPTS", "1")
    call.error = RoomUnreachable(error="connection refused")
    assert await run() == "lost: requeued"
    assert (await state(rooms))[:2] == (State.QUEUED, 2)


async def test_a_call_whose_lease_counts_as_lost_because_redis_was_away_is_answered_again(
    rooms: RoomStore,
    run: Run,
    call: type[MadeUpCall],
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SWITCHBOARD_REDIS_OUTAGE_SECONDS", "0.2")
    running = asyncio.create_task(run())
    await call.started.wait()

    async def left() -> bool:
        return call.commands == ["leave: lease lost"]

    async with stopped(redis_server):
        await until(left)
    # Redis may have executed a request that was given up, so that its repetition is stale.
    assert await running in {"lost: requeued", "lost: stale"}
    assert (await state(rooms))[:2] == (State.QUEUED, 2)


async def test_the_end_of_a_call_is_written_when_redis_is_back(
    rooms: RoomStore, run: Run, call: type[MadeUpCall], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    running = asyncio.create_task(run())
    await call.started.wait()

    async def tried() -> bool:
        return "Redis fails" in caplog.text

    async with stopped(redis_server):
        call.finish.set()
        await until(tried)
        assert not running.done()
    assert await running == "room empty"
    assert await state(rooms) == (State.ENDED, 1, "room empty")
    assert len(await rooms.list_call_records()) == 1
