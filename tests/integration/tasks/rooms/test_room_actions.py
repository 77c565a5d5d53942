"""The actions on a room, one test for each promise."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from ops.stack.redis import RedisServer
from tasks.rooms import ClaimRefusal, CloseResult, OpenResult, RenewResult, RequeueResult, Room, RoomStore, State, keys
from tests.integration.tasks.rooms.calls import record_steps, save_conversation
from tests.support.rooms import open_some_room


async def opened(rooms: RoomStore, sid: str = "RM_1", message: bytes = b"message 1") -> bool:
    result = await open_some_room(
        rooms, sid, name="call-acme-1", message=message, started_at_ms=1000, received_at_ms=2000
    )
    return result is OpenResult.QUEUED


async def claimed(rooms: RoomStore, attempt: int = 1, claimant: str = "a") -> Room | ClaimRefusal:
    return await rooms.claim("RM_1", attempt, claimant=claimant, worker="celery@one", pid=7)


async def requeue(rooms: RoomStore, attempt: int, *, max_attempts: int = 5) -> RequeueResult:
    return await rooms.requeue(
        "RM_1", attempt, queue="premium", message=b"message 2", reason="it crashed", max_attempts=max_attempts
    )


async def queue(rooms: RoomStore) -> list[str]:
    return [str(message) for message in await rooms.redis.lrange("premium", 0, -1)]


async def state(rooms: RoomStore) -> State:
    room = await rooms.get("RM_1")
    assert room is not None
    return room.state


async def test_opening_a_room_queues_it_and_its_message_in_one_step(rooms: RoomStore) -> None:
    assert await opened(rooms)
    room = await rooms.get("RM_1")
    assert room is not None
    assert (room.state, room.tenant, room.tier, room.attempt) == (State.QUEUED, "acme", "premium", 1)
    assert await queue(rooms) == ["message 1"]
    assert list(room.steps_ms) == ["room_started", "received", "queued"]


async def test_fifty_openings_at_once_make_one_message(rooms: RoomStore) -> None:
    answers = await asyncio.gather(*(opened(rooms, message=b"%d" % number) for number in range(50)))
    assert sum(answers) == 1
    assert len(await queue(rooms)) == 1


async def test_a_claim_succeeds_once_for_each_attempt(rooms: RoomStore) -> None:
    await opened(rooms)
    claims = await asyncio.gather(*(claimed(rooms, claimant=str(number)) for number in range(20)))
    assert sum(isinstance(claim, Room) for claim in claims) == 1
    assert claims.count(ClaimRefusal.TAKEN) == 19


async def test_a_claimant_whose_reply_was_lost_may_claim_again(rooms: RoomStore) -> None:
    await opened(rooms)
    assert isinstance(await claimed(rooms, claimant="a"), Room)
    assert isinstance(await claimed(rooms, claimant="a"), Room)
    assert await claimed(rooms, claimant="b") is ClaimRefusal.TAKEN


async def test_a_claim_of_an_unknown_room_is_refused(rooms: RoomStore) -> None:
    assert await claimed(rooms) is ClaimRefusal.UNKNOWN


async def test_room_finished_before_the_claim_cancels_the_call(rooms: RoomStore) -> None:
    await opened(rooms)
    assert await rooms.close("RM_1") is CloseResult.CANCELLED
    assert await claimed(rooms) is ClaimRefusal.OVER
    assert await rooms.list_open() == []


async def test_room_finished_before_room_started_leaves_nothing_to_open(rooms: RoomStore) -> None:
    assert await rooms.close("RM_1") is CloseResult.UNKNOWN
    assert not await opened(rooms)
    assert await queue(rooms) == []


async def test_room_finished_asks_a_running_call_to_end(rooms: RoomStore) -> None:
    await opened(rooms)
    await claimed(rooms)
    assert await rooms.renew("RM_1", 1) is RenewResult.RENEWED
    assert await rooms.close("RM_1") is CloseResult.CLOSING
    assert await rooms.renew("RM_1", 1) is RenewResult.CLOSING


async def test_an_ended_call_leaves_a_record_with_the_time_of_each_step(rooms: RoomStore) -> None:
    await opened(rooms)
    await claimed(rooms)
    assert await record_steps(rooms, "RM_1", 1, {"joined": 80, "first_audio": 300})
    assert await rooms.end("RM_1", 1, outcome="room empty")
    (record,) = await rooms.list_call_records()
    assert (record.sid, record.tenant, record.outcome, record.worker) == ("RM_1", "acme", "room empty", "celery@one")
    steps = record.steps_ms
    assert steps["joined"] - steps["claimed"] == 80
    assert steps["first_audio"] - steps["claimed"] == 300
    assert await rooms.close("RM_1") is CloseResult.ALREADY_OVER
    assert await rooms.redis.zcard(keys.LEASES) == 0


async def test_a_lost_call_is_requeued_in_front_of_rooms_that_have_waited_less(rooms: RoomStore) -> None:
    await opened(rooms)
    await rooms.redis.delete("premium")
    await opened(rooms, sid="RM_2", message=b"a call that came later")
    await claimed(rooms)
    assert await requeue(rooms, 1) is RequeueResult.REQUEUED
    # Workers take from the right.
    assert await queue(rooms) == ["a call that came later", "message 2"]
    assert await claimed(rooms, 1, claimant="b") is ClaimRefusal.STALE
    assert isinstance(await claimed(rooms, 2, claimant="b"), Room)


async def test_the_next_attempt_begins_without_the_steps_of_the_one_before(rooms: RoomStore) -> None:
    await opened(rooms)
    await claimed(rooms)
    await record_steps(rooms, "RM_1", 1, {"joined": 80, "first_audio": 300})
    await requeue(rooms, 1)
    room = await rooms.get("RM_1")
    assert room is not None
    assert set(room.steps_ms) == {"room_started", "received", "lost", "queued"}


async def test_a_stale_attempt_changes_nothing(rooms: RoomStore) -> None:
    await opened(rooms)
    await claimed(rooms)
    await requeue(rooms, 1)
    await claimed(rooms, 2, claimant="b")
    before = await rooms.get("RM_1")
    assert await rooms.renew("RM_1", 1) is RenewResult.LOST
    assert not await record_steps(rooms, "RM_1", 1, {"joined": 1})
    assert not await rooms.end("RM_1", 1, outcome="too late")
    assert not await rooms.dead_letter("RM_1", attempt=1, reason="too late")
    assert await requeue(rooms, 1) is RequeueResult.STALE
    assert await rooms.get("RM_1") == before


async def test_of_two_claimants_of_the_same_attempt_the_first_has_lost_its_lease_and_changes_nothing(
    rooms: RoomStore,
) -> None:
    await opened(rooms)
    before = await cast("Any", rooms.redis).execute_command("DUMP", keys.room("RM_1"), NEVER_DECODE=True)
    assert isinstance(await claimed(rooms, claimant="a"), Room)
    # A replica that had not got the claim has become the master.
    await rooms.redis.restore(keys.room("RM_1"), 0, before, replace=True)
    assert isinstance(await claimed(rooms, claimant="b"), Room)

    assert await rooms.renew("RM_1", 1, claimant="a") is RenewResult.LOST
    assert not await record_steps(rooms, "RM_1", 1, {"joined": 5}, claimant="a")
    assert not await save_conversation(rooms, "RM_1", 1, b"a conversation", claimant="a")
    assert not await rooms.dead_letter("RM_1", attempt=1, reason="refused", claimant="a")
    message, reason = b"message 2", "it crashed"
    lost = await rooms.requeue("RM_1", 1, queue="premium", message=message, reason=reason, max_attempts=5, claimant="a")
    assert lost is RequeueResult.STALE
    assert not await rooms.end("RM_1", 1, outcome="duplicate identity", claimant="a")

    assert await rooms.renew("RM_1", 1, claimant="b") is RenewResult.RENEWED
    assert await record_steps(rooms, "RM_1", 1, {"joined": 5}, claimant="b")
    assert await save_conversation(rooms, "RM_1", 1, b"a conversation", claimant="b")
    assert await rooms.end("RM_1", 1, outcome="room empty", claimant="b")
    assert await state(rooms) is State.ENDED


async def test_the_last_attempt_ends_in_a_dead_letter(rooms: RoomStore) -> None:
    await opened(rooms)
    await claimed(rooms)
    assert await requeue(rooms, 1, max_attempts=1) is RequeueResult.DEAD
    (letter,) = await rooms.list_dead_letters()
    assert (letter.sid, letter.tenant, letter.attempt, letter.reason) == ("RM_1", "acme", 1, "it crashed")
    assert await state(rooms) is State.DEAD


async def test_a_call_lost_after_its_room_has_finished_is_not_requeued(rooms: RoomStore) -> None:
    await opened(rooms)
    await claimed(rooms)
    await rooms.close("RM_1")
    before = await queue(rooms)
    assert await requeue(rooms, 1) is RequeueResult.CLOSED
    assert await queue(rooms) == before
    assert await state(rooms) is State.ENDED
    (record,) = await rooms.list_call_records()
    assert (record.sid, record.attempt, record.outcome, record.worker) == ("RM_1", 1, "room finished", "celery@one")
    assert {"claimed", "lost", "ended"} <= record.steps_ms.keys()
    assert await rooms.list_dead_letters() == []


async def test_a_room_that_was_never_opened_gets_one_dead_letter(rooms: RoomStore) -> None:
    assert await rooms.dead_letter("RM_1", attempt=None, name="n", reason="no tenant")
    assert not await rooms.dead_letter("RM_1", attempt=None, name="n", reason="no tenant")
    assert len(await rooms.list_dead_letters()) == 1


async def test_a_room_that_was_dead_from_the_beginning_is_opened_by_an_event_that_makes_it_possible(
    rooms: RoomStore,
) -> None:
    await rooms.dead_letter("RM_1", attempt=None, name="n", reason="no tenant")
    assert await opened(rooms)
    assert not await opened(rooms)


async def test_the_actions_survive_a_redis_that_has_forgotten_its_scripts(
    rooms: RoomStore, redis_server: RedisServer
) -> None:
    await opened(rooms)
    await rooms.redis.script_flush()
    assert isinstance(await claimed(rooms), Room)
