"""The watchdog beside a call that gets stuck, with a real Redis. Ending the process is replaced by an event."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ops.stack.redis import RedisServer
from pipeline.errors import LiveKitLost
from pipeline.outcome import CallOutcome, EndedBy
from pipeline.phase import Phase
from tasks.call import watchdog as watchdogs
from tasks.call.ending import Ended, Lost
from tasks.call.watchdog import Watchdog
from tasks.rooms import CallOperations, OpenResult, RenewResult, Room, RoomStore, State
from tasks.rooms import EndedBy as RoomEndedBy
from tasks.settings import Settings
from tests.integration.tasks.call.test_lease import claimed
from tests.support.rooms import open_some_room
from tests.support.waiting import until

SHORT, LONG = "1", "3600"
LIMITS = ("PREWARM", "REQUEST", "CONNECT", "SHUTDOWN", "HANG")


@pytest.fixture
def limits(
    rooms: RoomStore, switchboard_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Settings]:
    """Settings in which one limit is short."""
    del rooms

    def read(short: str) -> Settings:
        monkeypatch.setattr(watchdogs, "LOOK_SECONDS", 0.05)
        monkeypatch.setenv("SWITCHBOARD_LEASE_RENEW_MS", "50")
        for name in LIMITS:
            monkeypatch.setenv(f"SWITCHBOARD_{name}_SECONDS", SHORT if name == short else LONG)
        return Settings.read()

    return read


@asynccontextmanager
async def guarded(rooms: RoomStore, settings: Settings) -> AsyncIterator[tuple[Watchdog, threading.Event]]:
    """A watchdog that guards RM_1, and the event that it ends the process."""
    ended = threading.Event()
    async with Watchdog(settings, lambda _: ended.set()) as watchdog:
        watchdog.guard(await claimed(rooms), claimed_at=time.monotonic())
        yield watchdog, ended


async def happens(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 20)


async def room_of(rooms: RoomStore) -> Room:
    room = await rooms.get("RM_1")
    assert room is not None
    return room


async def never_returns() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("limit", "phase", "problem"),
    [
        ("PREWARM", None, "prewarming took more than 1 s"),
        ("REQUEST", Phase.REQUESTING, "requesting took more than 1 s"),
        ("CONNECT", Phase.CONNECTING, "connecting took more than 1 s"),
        ("SHUTDOWN", Phase.ENDING, "ending took more than 1 s"),
    ],
)
async def test_a_phase_that_takes_too_long_loses_the_call(
    rooms: RoomStore, limits: Callable[[str], Settings], limit: str, phase: Phase | None, problem: str
) -> None:
    waiting = asyncio.create_task(never_returns())
    async with guarded(rooms, limits(limit)) as (watchdog, ended):
        if phase is not None:
            watchdog.enter(phase)
        await happens(ended)
    waiting.cancel()
    room = await room_of(rooms)
    assert (room.state, room.attempt) == (State.QUEUED, 2)
    assert room.reason.startswith(f"{problem}, in ")
    # It names the code that waits, and not livekit's or asyncio's.
    assert "test_watchdog.py" in room.reason
    assert "(never_returns)" in room.reason


async def test_a_call_that_is_over_is_ended_even_if_a_shutdown_callback_never_returns(
    rooms: RoomStore, limits: Callable[[str], Settings], caplog: pytest.LogCaptureFixture
) -> None:
    waiting = asyncio.create_task(never_returns())
    async with guarded(rooms, limits("SHUTDOWN")) as (watchdog, ended):
        watchdog.over(CallOutcome("room empty", EndedBy.CALLERS))
        watchdog.enter(Phase.ENDING)
        await happens(ended)
    waiting.cancel()
    room = await room_of(rooms)
    assert (room.state, room.reason, room.ended_by) == (State.ENDED, "room empty", "callers")
    (record,) = [record for record in caplog.records if record.message == "the call is stuck; ending its process"]
    assert "(never_returns)" in record.__dict__["where"]


async def test_a_call_that_has_failed_is_queued_again_before_its_shutdown_callbacks_have_run(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    async with guarded(rooms, limits("none")) as (watchdog, ended):
        watchdog.enter(Phase.ENDING)
        watchdog.over(LiveKitLost(problem="nothing has arrived for 8 s"))

        async def queued() -> bool:
            return (await room_of(rooms)).state is State.QUEUED

        await until(queued)
        # What it says in the end is the same, and is not written again.
        assert await watchdog.end(Lost("another")) == "lost: requeued"
        assert not ended.is_set()
    room = await room_of(rooms)
    assert (room.attempt, room.reason) == (2, "The agent has lost the LiveKit server: nothing has arrived for 8 s.")


async def test_an_event_loop_that_is_blocked_for_good_loses_the_call_and_the_reason_names_the_line(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    async with guarded(rooms, limits("HANG")) as (watchdog, ended):
        watchdog.enter(Phase.RUNNING)
        ended.wait(20)
    room = await room_of(rooms)
    assert (room.state, room.attempt) == (State.QUEUED, 2)
    assert "its event loop stood still for 1 s" in room.reason
    assert "test_watchdog.py" in room.reason


async def test_an_event_loop_that_is_blocked_for_less_keeps_the_call_and_its_lease(
    rooms: RoomStore, limits: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHBOARD_LEASE_TTL_MS", "500")
    settings = limits("none")
    async with guarded(rooms, settings) as (watchdog, ended):
        watchdog.enter(Phase.RUNNING)
        time.sleep(1)  # noqa: ASYNC251 - as an agent's function tool does
        assert not ended.is_set()
        assert await rooms.list_expired_leases(10) == []
        assert await watchdog.end(Ended("room empty", RoomEndedBy.CALLERS)) == "room empty"


async def test_a_call_that_an_operator_ends_is_shown_as_ended_by_the_operator(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    async with guarded(rooms, limits("none")) as (watchdog, _):
        watchdog.enter(Phase.RUNNING)
        await CallOperations(rooms.redis).end("RM_1")
        await watchdog.closing.wait()
        # The attempt is asked to leave, and cannot know by whom.
        result = await watchdog.end(Ended("room finished", RoomEndedBy.CALLERS))
    room = await room_of(rooms)
    assert (room.ended_by, room.reason) == ("operator", "ended by an operator")
    assert result.shown == "ended by operator: ended by an operator"


async def test_the_event_loop_may_stand_still_while_the_agent_is_imported(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    async with guarded(rooms, limits("HANG")) as (watchdog, ended):
        time.sleep(2)  # noqa: ASYNC251 - as an import does
        watchdog.enter(Phase.REQUESTING)
        # Some looks of the watchdog.
        assert not await asyncio.to_thread(ended.wait, 0.3)


async def test_a_process_that_was_stopped_is_not_stuck(
    rooms: RoomStore, limits: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.monotonic
    ahead = 0.0
    monkeypatch.setattr("tasks.call.watchdog.time.monotonic", lambda: clock() + ahead)
    async with guarded(rooms, limits("CONNECT")) as (watchdog, ended):
        watchdog.enter(Phase.CONNECTING)
        # As the clock jumps for a process that is continued.
        ahead = 60.0
        assert not await asyncio.to_thread(ended.wait, 0.2)
        await happens(ended)
    assert (await room_of(rooms)).state is State.QUEUED


async def test_a_call_that_does_not_leave_when_its_lease_is_lost_has_its_process_ended(
    rooms: RoomStore, limits: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdogs, "LEAVE_SECONDS", 0.3)
    async with guarded(rooms, limits("none")) as (watchdog, ended):
        watchdog.enter(Phase.RUNNING)
        await rooms.requeue("RM_1", 1, queue="premium", message=b"", reason="lost", max_attempts=5)
        await asyncio.wait_for(watchdog.lost.wait(), 10)
        await happens(ended)
    room = await room_of(rooms)
    assert (room.state, room.attempt, room.reason) == (State.QUEUED, 2, "lost")


async def test_writing_the_end_may_take_as_long_as_redis_is_away(
    rooms: RoomStore, limits: Callable[[str], Settings], redis_server: RedisServer
) -> None:
    async with guarded(rooms, limits("SHUTDOWN")) as (watchdog, ended):
        watchdog.enter(Phase.ENDING)
        redis_server.pause()
        try:
            writing = asyncio.create_task(watchdog.end(Ended("room empty", RoomEndedBy.CALLERS)))
            # Longer than the limit of the phase.
            assert not await asyncio.to_thread(ended.wait, 2)
        finally:
            redis_server.resume()
        assert await writing == "room empty"
    assert (await room_of(rooms)).state is State.ENDED


async def test_only_the_first_ending_is_written(rooms: RoomStore, limits: Callable[[str], Settings]) -> None:
    async with guarded(rooms, limits("none")) as (watchdog, _):
        first = Ended("room empty", RoomEndedBy.CALLERS)
        assert await watchdog.end(first) == "room empty"
        assert await watchdog.end(Ended("another", RoomEndedBy.AGENT)) == "room empty"
    assert len(await rooms.list_call_records()) == 1


async def open_made(rooms: RoomStore, *, joined_at_ms: int | None = None) -> OpenResult:
    return await open_some_room(rooms, "RM_2", ended_before_ms=joined_at_ms)


async def test_a_room_that_joining_has_made_is_answered_by_nobody_until_a_caller_joins_it(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    async with guarded(rooms, limits("none")) as (watchdog, _):
        await watchdog.end(Ended("room gone", RoomEndedBy.CALLERS, room_made="RM_2"))
    assert await open_made(rooms) is OpenResult.KNOWN
    # As the look at the LiveKit server's list does, whenever the caller has joined.
    known = (await rooms.look_up(["RM_2"]))["RM_2"]
    assert (known.state, known.ended_by) == (State.ENDED, "callers")
    assert await open_made(rooms, joined_at_ms=(known.ended_ms or 0) + 1) is OpenResult.QUEUED


async def test_a_call_in_a_room_that_joining_has_made_goes_on(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    async with guarded(rooms, limits("none")) as (watchdog, _):
        await open_made(rooms)
        assert isinstance(await rooms.claim("RM_2", 1, claimant="d", worker="w", pid=1), Room)
        await watchdog.end(Ended("room gone", RoomEndedBy.CALLERS, room_made="RM_2"))
        made = await rooms.get("RM_2")
        assert made is not None
        assert made.state is State.RUNNING
        assert await rooms.renew("RM_2", 1, claimant="d") is RenewResult.RENEWED


async def test_a_room_that_finishes_is_told_to_the_call(rooms: RoomStore, limits: Callable[[str], Settings]) -> None:
    async with guarded(rooms, limits("none")) as (watchdog, _):
        await rooms.close("RM_1")
        await asyncio.wait_for(watchdog.closing.wait(), 10)
        assert not watchdog.lost.is_set()

        async def written() -> bool:
            watchdog.record_step("joined")
            return "joined" in (await room_of(rooms)).steps_ms

        await until(written)


async def test_the_end_of_a_call_is_written_before_its_recording_is_uploaded(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    async with guarded(rooms, limits("SHUTDOWN")) as (watchdog, ended):
        watchdog.over(CallOutcome("room empty", EndedBy.CALLERS))
        watchdog.enter(Phase.ENDING)
        watchdog.enter(Phase.UPLOADING)

        async def over() -> bool:
            return (await room_of(rooms)).state is State.ENDED

        await until(over)
        # The upload has a limit of its own, longer than that of the phase before.
        assert not await asyncio.to_thread(ended.wait, 2)
        assert await watchdog.end(Ended("another", RoomEndedBy.AGENT)) == "room empty"
    assert len(await rooms.list_call_records()) == 1


async def test_a_room_that_is_claimed_before_the_thread_has_begun_is_guarded(
    rooms: RoomStore, limits: Callable[[str], Settings]
) -> None:
    """On a busy host the thread may get its first turn after the claim."""
    ended = threading.Event()
    watchdog = Watchdog(limits(""), lambda _: ended.set())
    watchdog.guard(await claimed(rooms), claimed_at=time.monotonic())
    watchdog.record_step("joined")
    async with watchdog:
        assert await watchdog.end(Ended("room empty", RoomEndedBy.CALLERS)) == "room empty"
    room = await room_of(rooms)
    assert (room.state, "joined" in room.steps_ms, ended.is_set()) == (State.ENDED, True, False)


async def test_a_renewal_that_fails_with_an_error_of_its_own_ends_the_process(
    rooms: RoomStore, limits: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("tasks.call.lease.Lease.renew", broken)
    async with guarded(rooms, limits("")) as (_, ended):
        await happens(ended)
