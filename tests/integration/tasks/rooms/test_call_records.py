"""The records of calls and of their attempts, one for each, whatever has ended them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

from tasks.rooms import (
    AttemptEnding,
    AttemptMetrics,
    CallRecord,
    CallState,
    CloseResult,
    EndedBy,
    Limits,
    LossCause,
    OpenResult,
    Room,
    RoomStore,
    keys,
)
from tasks.rooms.call_records import FURTHEST, PAGE
from tests.integration.tasks.rooms.calls import QUEUE, SID, claim, dead_letter, end, message, open_room, requeue, run
from tests.support.rooms import open_some_room

USED = '[{"type": "llm_usage", "output_tokens": 7}]'
TURNS = '{"replies_ms": [400], "interruptions": 0, "turns": 1}'


async def only_call(rooms: RoomStore) -> CallRecord:
    """Return the one call record that there is."""
    (record,) = await rooms.list_call_records()
    return record


async def test_an_attempt_that_was_killed_has_what_its_last_renewal_kept(rooms: RoomStore) -> None:
    await open_room(rooms)
    await rooms.claim(SID, 1, claimant="a", worker="celery@one", pid=7, version="1.2.3")
    await rooms.renew(SID, 1, steps={"joined": 80}, metrics=AttemptMetrics(turns="{}"))
    await rooms.renew(SID, 1, metrics=AttemptMetrics(USED, TURNS))
    await rooms.renew(SID, 1)
    await requeue(rooms)
    (record,) = await rooms.list_attempt_records()
    assert (record.sid, record.name, record.tenant, record.tier) == (SID, "call-acme-1", "acme", "premium")
    assert (record.attempt, record.uncounted, record.worker, record.version) == (1, 0, "celery@one", "1.2.3")
    assert (record.ending, record.cause, record.reason) == (AttemptEnding.LOST, LossCause.FAILED, "it crashed")
    assert (record.usage, record.turns) == (USED, TURNS)
    steps = record.steps_ms
    assert list(steps)[:2] == ["room_started", "received"]
    assert {"opened", "queued", "claimed", "joined", "lost"} == steps.keys() - {"room_started", "received"}
    assert steps["joined"] == steps["claimed"] + 80
    assert await rooms.list_call_records() == []


async def test_the_next_attempt_begins_with_nothing_used_and_knows_when_the_call_was_lost(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await rooms.renew(SID, 1, metrics=AttemptMetrics(USED, TURNS))
    await requeue(rooms, cause=LossCause.HANDED_OVER)
    await run(rooms, 2)
    await end(rooms, 2)
    second, first = await rooms.list_attempt_records()
    assert (first.ending, first.cause, first.uncounted, first.usage) == (AttemptEnding.HANDED_OVER, None, 1, USED)
    assert (second.ending, second.cause, second.uncounted) == (AttemptEnding.ENDED, None, 1)
    assert (second.usage, second.turns, second.reason) == ("[]", "{}", "room empty")
    assert second.steps_ms["lost_before"] == first.steps_ms["lost"]
    call = await only_call(rooms)
    assert (call.state, call.attempts, call.attempt, call.ended_by) == (CallState.ENDED, 2, 2, EndedBy.CALLERS)
    assert call.steps_ms["first_claimed"] == first.steps_ms["claimed"]
    assert call.steps_ms["opened"] == first.steps_ms["opened"] == second.steps_ms["opened"]


async def test_what_is_told_with_the_ending_counts_more_than_the_last_renewal(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await rooms.renew(SID, 1, metrics=AttemptMetrics(turns=TURNS))
    await rooms.end(SID, 1, outcome="room empty", metrics=AttemptMetrics(USED))
    (record,) = await rooms.list_attempt_records()
    assert (record.usage, record.turns) == (USED, TURNS)
    assert (await only_call(rooms)).usage == USED
    # The room stays known for an hour, and need not have it, too.
    assert not {"usage", "turns"} & set(await cast("Awaitable[list[str]]", rooms.redis.hkeys(keys.room(SID))))


async def test_a_caller_who_gives_up_waiting_leaves_a_call_record(rooms: RoomStore) -> None:
    await open_room(rooms)
    await rooms.close(SID)
    record = await only_call(rooms)
    assert (record.state, record.outcome, record.ended_by) == (CallState.CANCELLED, "room finished", EndedBy.CALLERS)
    assert (record.attempts, record.worker, record.usage) == (0, "", "[]")
    assert list(record.steps_ms) == ["room_started", "received", "opened", "queued", "ended"]
    assert await rooms.list_attempt_records() == []


async def test_a_room_that_the_server_does_not_list_leaves_a_call_record(rooms: RoomStore) -> None:
    await open_room(rooms)
    await rooms.close(SID, missing=True)
    record = await only_call(rooms)
    assert (record.state, record.outcome, record.attempts) == (CallState.ENDED, "room missing", 0)


async def test_a_room_that_was_never_opened_leaves_no_record_when_it_finishes(rooms: RoomStore) -> None:
    assert await rooms.close(SID) is CloseResult.UNKNOWN
    assert await rooms.redis.exists(keys.CALLS) == 0


async def test_a_room_that_cannot_be_opened_leaves_a_call_record(rooms: RoomStore) -> None:
    await rooms.dead_letter(SID, attempt=None, name="n", reason="no tenant")
    record = await only_call(rooms)
    assert (record.name, record.tenant, record.state, record.outcome) == ("n", "", CallState.DEAD, "no tenant")
    assert (record.attempt, record.attempts) == (0, 0)


async def test_a_wait_that_has_expired_leaves_a_call_record(rooms: RoomStore) -> None:
    await open_room(rooms)
    assert await rooms.waitlist.expire_waits("premium", -1000, reason="nobody came", limit=5) == [SID]
    record = await only_call(rooms)
    assert (record.state, record.outcome, record.public_reason) == (CallState.DEAD, "nobody came", "busy")
    assert record.attempts == 0


async def test_a_room_that_is_refused_leaves_a_call_record(rooms: RoomStore) -> None:
    limits = Limits(tenant=0, waiting=0)
    for _ in range(2):
        opened = await open_some_room(rooms, SID, queue=QUEUE, message=message(1), limits=limits)
        assert opened is OpenResult.BUSY
    record = await only_call(rooms)
    assert (record.state, record.public_reason, record.attempts) == (CallState.REFUSED, "busy", 0)
    assert "waiting" in record.steps_ms


async def test_a_dead_letter_leaves_both_records(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await dead_letter(rooms)
    (attempt,) = await rooms.list_attempt_records()
    assert (attempt.ending, attempt.cause, attempt.reason) == (AttemptEnding.DEAD, None, "no such provider")
    assert "ended" in attempt.steps_ms
    call = await only_call(rooms)
    assert (call.state, call.ended_by, call.attempts) == (CallState.DEAD, EndedBy.LIMIT, 1)


async def test_the_last_of_the_attempts_allowed_is_lost_and_its_call_dead(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await requeue(rooms, max_attempts=1)
    (attempt,) = await rooms.list_attempt_records()
    assert (attempt.ending, attempt.cause) == (AttemptEnding.LOST, LossCause.FAILED)
    assert (await only_call(rooms)).state is CallState.DEAD


async def test_a_room_that_is_opened_again_is_another_call(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    ended_ms = await end(rooms)
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    await run(rooms, 2)
    await requeue(rooms, 2)
    await run(rooms, 3)
    await end(rooms, 3)
    second, first = await rooms.list_call_records()
    assert [(record.attempt, record.attempts) for record in (first, second)] == [(1, 1), (3, 2)]
    opened = {record.attempt: record.steps_ms["opened"] for record in await rooms.list_attempt_records()}
    assert opened[1] == first.steps_ms["opened"]
    assert opened[2] == opened[3] == second.steps_ms["opened"]


async def test_a_claim_whose_reply_was_lost_is_one_attempt(rooms: RoomStore) -> None:
    await open_room(rooms)
    for _ in range(2):
        assert isinstance(await claim(rooms), Room)
    await end(rooms)
    assert (await only_call(rooms)).attempts == 1
    assert len(await rooms.list_attempt_records()) == 1


async def test_callers_who_give_up_do_not_hide_the_calls_that_were_answered(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await end(rooms)
    await open_room(rooms, sid="RM_2")
    await rooms.close("RM_2")
    assert [record.sid for record in await rooms.list_call_records(1)] == ["RM_2"]
    assert [record.sid for record in await rooms.list_call_records(1, claimed=True)] == [SID]


async def test_a_list_of_a_few_call_records_does_not_read_all_of_a_stream_that_has_none(rooms: RoomStore) -> None:
    await open_room(rooms)
    await rooms.close(SID)
    async with rooms.redis.pipeline(transaction=False) as pipe:
        for _ in range(FURTHEST - 1):
            pipe.xadd(keys.CALLS, {"kind": "attempt"})
        await pipe.execute()
    assert len(await rooms.list_call_records(1)) == 1
    await rooms.redis.xadd(keys.CALLS, {"kind": "attempt"})
    before = (await rooms.redis.info("commandstats"))["cmdstat_xrevrange"]["calls"]
    assert await rooms.list_call_records(1) == []
    after = (await rooms.redis.info("commandstats"))["cmdstat_xrevrange"]["calls"]
    assert after - before == FURTHEST / PAGE
