from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from tasks.rooms import RoomStore, State
from tests.integration.webhooks.sender import Sender, event, new_sid

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def messages_on(rooms: RoomStore, queue: str) -> int:
    length = rooms.redis.llen(queue)
    assert not isinstance(length, int)
    return await length


async def test_ten_webhooks_at_once_to_two_receivers_queue_one_message(senders: list[Sender], rooms: RoomStore) -> None:
    sid = new_sid()
    body = event("room_started", sid)

    answers = await asyncio.gather(*(senders[number % 2].post(body) for number in range(10)))

    assert {answer.status for answer in answers} == {200}
    assert Counter(answer.outcome for answer in answers) == {"queued": 1, "known": 9}
    assert await messages_on(rooms, "premium") == 1
    room = await rooms.get(sid)
    assert room is not None
    assert (room.state, room.attempt) == (State.QUEUED, 1)


async def test_a_burst_of_rooms_is_dispatched_room_by_room(sender: Sender, rooms: RoomStore) -> None:
    """On a busy machine some are refused in time for the server to send them again."""
    sids = [new_sid() for _ in range(300)]

    deliveries = await asyncio.gather(*(sender.deliver(event("room_started", sid)) for sid in sids))

    assert {answers[-1].status for answers in deliveries} == {200}
    first = {(answers[0].status, answers[0].outcome) for answers in deliveries}
    assert first <= {(200, "queued"), (503, "unavailable")}
    # A room may be known afterwards: it was queued, and the answer was too late.
    assert {answers[-1].outcome for answers in deliveries} <= {"queued", "known"}
    assert await messages_on(rooms, "premium") == 300
    found = [await rooms.get(sid) for sid in sids]
    assert {(room.state, room.attempt) for room in found if room is not None} == {(State.QUEUED, 1)}
    assert None not in found


async def test_a_room_keeps_the_fields_of_the_webhook(sender: Sender, rooms: RoomStore) -> None:
    sid = new_sid()

    await sender.post(event("room_started", sid, metadata=json.dumps({"tenant_id": "basic"})))

    room = await rooms.get(sid)
    assert room is not None
    assert (room.name, room.tenant, room.tier, room.queue) == (f"room-of-{sid}", "basic", "free", "free")
    assert room.steps_ms["room_started"] == 1_700_000_000_123


async def test_a_caller_who_joins_makes_up_for_a_lost_room_started(sender: Sender, rooms: RoomStore) -> None:
    sid = new_sid()

    joined = await sender.post(event("participant_joined", sid, participant={"identity": "caller"}))
    started = await sender.post(event("room_started", sid))

    assert (joined.outcome, started.outcome) == ("queued", "known")
    assert await messages_on(rooms, "premium") == 1


async def test_an_agent_that_joins_queues_no_message(sender: Sender, rooms: RoomStore) -> None:
    answer = await sender.post(event("participant_joined", new_sid(), participant={"kind": "AGENT"}))

    assert (answer.status, answer.outcome) == (200, "ignored")
    assert await messages_on(rooms, "premium") == 0


async def test_a_room_that_finishes_before_it_is_claimed_is_cancelled(sender: Sender, rooms: RoomStore) -> None:
    sid = new_sid()

    await sender.post(event("room_started", sid))
    finished = await sender.post(event("room_finished", sid))

    assert (finished.status, finished.outcome) == (200, "cancelled")
    room = await rooms.get(sid)
    assert room is not None
    assert room.state is State.CANCELLED
    assert await rooms.list_open() == []


async def test_a_room_that_has_finished_is_not_opened_by_a_webhook_that_comes_late(
    sender: Sender, rooms: RoomStore
) -> None:
    sid = new_sid()

    finished = await sender.post(event("room_finished", sid))
    started = await sender.post(event("room_started", sid))

    assert (finished.outcome, started.outcome) == ("unknown", "known")
    assert await messages_on(rooms, "premium") == 0


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ('{"tenant_id": "nobody"}', "There is no tenant 'nobody'"),
        ('{"tenant_id": "broken"}', "its record in Redis is not a JSON object"),
        ("not JSON", "its metadata is not JSON"),
        ("[" * 60_000, "its metadata is not JSON"),
        ("", "it has no metadata"),
    ],
    ids=["unknown", "broken", "not JSON", "brackets", "none"],
)
async def test_a_room_of_no_known_tenant_becomes_a_dead_letter_if_it_gets_none(
    sender: Sender, rooms: RoomStore, metadata: str, why: str
) -> None:
    sid = new_sid()
    await rooms.redis.hset("switchboard:tenants", "broken", "{")
    if "tenant_id" not in metadata:
        answer = await sender.post(event("room_started", sid, metadata=metadata))
        assert (answer.status, answer.outcome) == (200, "no tenant yet")
        assert await rooms.list_dead_letters() == []
        (waiting,) = await rooms.redis.zrange("switchboard:tenantless", 0, -1)
        await rooms.redis.zadd("switchboard:tenantless", {str(waiting): 1})

    answer = await sender.post(event("room_started", sid, metadata=metadata))

    assert (answer.status, answer.outcome) == (200, "dead")
    letter, *more = await rooms.list_dead_letters(limit=10)
    assert more == []
    assert letter.sid == sid
    assert why in letter.reason
