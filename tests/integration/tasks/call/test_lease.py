from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, cast

import pytest
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from ops.stack.redis import RedisServer
from tasks.call.ending import Ended, Ending, Lost, Unanswerable
from tasks.call.lease import Lease
from tasks.rooms import AttemptMetrics, ClaimRefusal, EndedBy, RenewResult, Room, RoomStore, State, keys
from tasks.settings import Settings
from tests.support.rooms import open_some_room
from tests.support.waiting import until

OVER = Ended("room empty", EndedBy.CALLERS)


async def claimed(rooms: RoomStore) -> Room:
    await open_some_room(rooms)
    room = await rooms.claim("RM_1", 1, claimant="a", worker="w", pid=1)
    assert not isinstance(room, ClaimRefusal)
    return room


@pytest.fixture
def settings(switchboard_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SWITCHBOARD_LEASE_RENEW_MS", "50")
    monkeypatch.setenv("SWITCHBOARD_REDIS_OUTAGE_SECONDS", "0.5")
    return Settings.read()


async def start(rooms: RoomStore, settings: Settings) -> tuple[Lease, asyncio.Task[None], list[RenewResult]]:
    results: list[RenewResult] = []
    lease = Lease(rooms, await claimed(rooms), settings, results.append)
    return lease, asyncio.create_task(lease.renew()), results


async def test_the_renewal_of_a_call_that_is_over_at_once_still_stops(rooms: RoomStore, settings: Settings) -> None:
    for yields in range(60):
        await rooms.redis.flushdb()
        lease, renewing, results = await start(rooms, settings)
        for _ in range(yields):
            await asyncio.sleep(0)
        assert await lease.write(OVER) == "room empty"
        await asyncio.wait_for(renewing, 5)
        assert results == []


async def test_steps_are_written_with_the_time_at_which_they_were_reached(rooms: RoomStore, settings: Settings) -> None:
    lease, renewing, _ = await start(rooms, settings)
    lease.record_step("joined", 40_000)
    lease.record_step("first_audio", 40_100)
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)
    room = await rooms.get("RM_1")
    assert room is not None
    claimed_ms = room.steps_ms["claimed"]
    assert [room.steps_ms[step] - claimed_ms for step in ("joined", "first_audio")] == [40_000, 40_100]


async def test_an_ending_is_written_after_the_steps_that_a_renewal_is_just_writing(
    rooms: RoomStore, settings: Settings
) -> None:
    for yields in range(30):
        await rooms.redis.flushdb()
        lease, renewing, _ = await start(rooms, settings)
        lease.record_step("joined", 10)
        for _ in range(yields):
            await asyncio.sleep(0)
        await lease.write(OVER)
        await asyncio.wait_for(renewing, 5)
        (record,) = await rooms.list_call_records()
        assert "joined" in record.steps_ms


async def test_an_ending_waits_for_a_renewal_under_way_although_nothing_else_is_to_be_written(
    rooms: RoomStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is sent on a connection of its own, and Redis may read the second first."""
    sent, let_go = asyncio.Event(), asyncio.Event()
    renew = rooms.renew

    async def held_up(*arguments: Any, **named: Any) -> RenewResult:
        if named["steps"]:
            sent.set()
            await let_go.wait()
        return await renew(*arguments, **named)

    monkeypatch.setattr(rooms, "renew", held_up)
    lease, renewing, _ = await start(rooms, settings)
    lease.record_step("joined", 10)
    await sent.wait()
    writing = asyncio.create_task(lease.write(OVER))
    await asyncio.wait({writing}, timeout=0.2)
    let_go.set()
    assert await writing == "room empty"
    await asyncio.wait_for(renewing, 5)
    (record,) = await rooms.list_call_records()
    assert "joined" in record.steps_ms


async def test_the_renewal_ends_when_the_lease_is_lost(rooms: RoomStore, settings: Settings) -> None:
    _, renewing, results = await start(rooms, settings)
    await rooms.requeue("RM_1", 1, queue="premium", message=b"", reason="", max_attempts=5)
    await asyncio.wait_for(renewing, 5)
    assert results == [RenewResult.LOST]


async def test_a_lease_is_renewed_while_its_room_is_closing(rooms: RoomStore, settings: Settings) -> None:
    lease, renewing, results = await start(rooms, settings)
    await rooms.close("RM_1")

    async def closing_twice() -> bool:
        return len(results) > 1

    await until(closing_twice)
    assert set(results) == {RenewResult.CLOSING}
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)


async def test_a_lost_call_leaves_its_last_words_for_the_next_attempt(rooms: RoomStore, settings: Settings) -> None:
    lease, renewing, _ = await start(rooms, settings)
    lease.save_conversation("what was said")
    assert await lease.write(Lost("it crashed")) == "lost: requeued"
    await asyncio.wait_for(renewing, 5)
    assert await rooms.conversation("RM_1") is not None
    room = await rooms.get("RM_1")
    assert room is not None
    assert (room.state, room.attempt, room.reason) == (State.QUEUED, 2, "it crashed")


async def test_a_conversation_goes_with_a_renewal_that_comes_soon_and_waits_half_an_interval_at_most(
    rooms: RoomStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[float, bool]] = []
    clock, renew = asyncio.get_running_loop().time, rooms.renew

    async def noted(*arguments: Any, **named: Any) -> RenewResult:
        sent.append((clock(), named["conversation"] is not None))
        return await renew(*arguments, **named)

    async def so_many(number: int) -> None:
        async def sent_so_many() -> bool:
            return len(sent) >= number

        await until(sent_so_many)

    monkeypatch.setattr(rooms, "renew", noted)
    slower = settings.model_copy(update={"lease": settings.lease.model_copy(update={"renew_ms": 2000})})
    lease, renewing, _ = await start(rooms, slower)
    saved_at = clock()
    for said in ("Good morning.", "Good morning. Who is there?"):
        lease.save_conversation(said)
    await so_many(1)
    assert sent[0][0] - saved_at == pytest.approx(1.0, abs=0.4)
    # Nothing is left of it: the next renewal comes an interval later.
    lease.save_conversation("Good morning. Who is there? It is me.")
    lease.record_step("joined", 10)
    await so_many(3)
    assert [with_conversation for _, with_conversation in sent] == [True, True, False]
    assert sent[2][0] - sent[1][0] == pytest.approx(2.0, abs=0.4)
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)


async def test_a_lease_counts_as_kept_while_redis_is_away_but_not_for_ever(
    rooms: RoomStore, settings: Settings, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    _, renewing, results = await start(rooms, settings)
    with caplog.at_level(logging.ERROR, "switchboard.tasks.call"):
        redis_server.kill()
        await redis_server.exited()
        began = asyncio.get_running_loop().time()
        await asyncio.wait_for(renewing, 10)
    assert asyncio.get_running_loop().time() - began >= settings.lease.outage_seconds - 0.1
    assert results == [RenewResult.LOST]
    await redis_server.start()


async def usage_kept(rooms: RoomStore) -> str | None:
    return await cast("Awaitable[str | None]", rooms.redis.hget(keys.room("RM_1"), "usage"))


async def test_metrics_wait_for_a_renewal_that_comes_anyway_and_are_sent_once(
    rooms: RoomStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHBOARD_LEASE_RENEW_MS", "2000")
    sent: list[tuple[object, ...]] = []
    renew = rooms.renew

    async def noted(*arguments: Any, **named: Any) -> RenewResult:
        sent.append(tuple(named["metrics"]))
        return await renew(*arguments, **named)

    monkeypatch.setattr(rooms, "renew", noted)
    lease, renewing, _ = await start(rooms, Settings.read())

    async def renewals(number: int) -> None:
        async def so_many() -> bool:
            return len(sent) == number

        await until(so_many)

    # The claim has just begun the lease: nothing is to be renewed yet.
    assert not sent
    lease.record_step("connecting", 5)
    await renewals(1)
    lease.save_metrics(AttemptMetrics("[1]", "{}"))
    await asyncio.sleep(0)
    lease.save_metrics(AttemptMetrics("[2]", "{}"))
    assert len(sent) == 1
    lease.record_step("joined", 10)
    await renewals(2)
    lease.save_metrics(AttemptMetrics("[3]", "{}"))
    lease.record_step("first_audio", 20)
    await renewals(3)
    lease.record_step("again", 30)
    await renewals(4)
    assert sent == [("", ""), ("[2]", "{}"), ("[3]", ""), ("", "")]
    assert await usage_kept(rooms) == "[3]"
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)


@pytest.mark.parametrize("ending", [OVER, Lost("it crashed"), Unanswerable("no such provider")])
async def test_every_ending_has_the_latest_metrics(rooms: RoomStore, settings: Settings, ending: Ending) -> None:
    lease, renewing, _ = await start(rooms, settings)
    lease.save_metrics(AttemptMetrics("[1]", '{"turns": 1}'))
    await lease.write(ending)
    await asyncio.wait_for(renewing, 5)
    (record,) = await rooms.list_attempt_records()
    assert (record.usage, record.turns) == ("[1]", '{"turns": 1}')


async def test_metrics_of_which_redis_got_nothing_are_sent_again(
    rooms: RoomStore, settings: Settings, redis_server: RedisServer
) -> None:
    lease, renewing, _ = await start(rooms, settings)
    redis_server.pause()
    try:
        lease.save_metrics(AttemptMetrics("[1]", "{}"))
        with pytest.raises((RedisError, OSError)):
            await lease.renew_once()
    finally:
        redis_server.resume()
    await lease.renew_once()
    assert await usage_kept(rooms) == "[1]"
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)


async def test_a_renewal_that_comes_after_two_intervals_is_counted_as_late(
    rooms: RoomStore, settings: Settings, redis_server: RedisServer
) -> None:
    late: list[None] = []
    on_time = settings.model_copy(update={"lease": settings.lease.model_copy(update={"renew_ms": 60_000})})
    lease = Lease(rooms, await claimed(rooms), on_time, lambda _: None, on_late=lambda: late.append(None))
    renewing = asyncio.create_task(lease.renew())
    lease.record_step("joined", 40)
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)
    assert late == []

    await rooms.redis.flushdb()
    lease = Lease(rooms, await claimed(rooms), settings, lambda _: None, on_late=lambda: late.append(None))
    redis_server.pause()
    renewing = asyncio.create_task(lease.renew())
    await asyncio.sleep(0.15)
    redis_server.resume()

    async def counted() -> bool:
        return bool(late)

    await until(counted)
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)


async def test_a_renewal_that_redis_has_not_answered_is_sent_again_soon(rooms: RoomStore, settings: Settings) -> None:
    """Its deadline has used up most of an interval, and one interval more would be longer than the lease lasts."""
    hourly = settings.model_copy(update={"lease": settings.lease.model_copy(update={"renew_ms": 3_600_000})})
    lease = Lease(rooms, await claimed(rooms), hourly, lambda _: None)
    renew, tries = rooms.renew, 0

    async def lost_once(*arguments: Any, **named: Any) -> RenewResult:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RedisTimeout("no answer")
        return await renew(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "renew", lost_once)
        renewing = asyncio.create_task(lease.renew())
        lease.record_step("joined", 10)

        async def twice() -> bool:
            return tries == 2

        await until(twice)
    await lease.write(OVER)
    await asyncio.wait_for(renewing, 5)
