"""The events that rooms leave, and the notices that are made of them."""

from __future__ import annotations

import asyncio

import pytest

from tasks.rooms import AttemptMetrics, EndedBy, Limits, LossCause, RoomStore, keys
from tests.integration.tasks.background.office import Office
from tests.support.backend import Backend
from tests.support.rooms import open_some_room

pytestmark = pytest.mark.asyncio(loop_scope="module")

SID = "RM_1"
FIRST = '[{"type":"llm_usage","provider":"openai","model":"gpt","input_tokens":5,"output_tokens":7}]'
SECOND = (
    '[{"type":"llm_usage","provider":"openai","model":"gpt","output_tokens":2},{"type":"tts_usage","provider":"x"}]'
)


async def open_room(rooms: RoomStore, *, sid: str = SID, notices: bool = True, limits: Limits | None = None) -> None:
    await open_some_room(
        rooms,
        sid,
        name="call-acme-1",
        started_at_ms=1000,
        received_at_ms=2000,
        notices=notices,
        limits=limits or Limits(),
    )


async def run(rooms: RoomStore, attempt: int, usage: str = "[]") -> None:
    await rooms.redis.delete("premium")
    await rooms.claim(SID, attempt, claimant="a", worker="celery@one", pid=7, version="1.2.3")
    for _ in range(2):
        await rooms.renew(SID, attempt, steps={"joined": 80}, metrics=AttemptMetrics(usage, '{"turns":1}'))


async def lose(rooms: RoomStore, attempt: int, cause: LossCause = LossCause.FAILED, max_attempts: int = 5) -> None:
    await rooms.requeue(
        SID, attempt, queue="premium", message=b"2", reason="secret", max_attempts=max_attempts, cause=cause
    )
    await rooms.redis.zadd(keys.DELAYED, {SID: 0}, xx=True)
    await rooms.queue_delayed_rooms(1)


async def test_the_story_of_a_call_is_told_in_order_with_the_sums_of_all_attempts(
    office: Office, acme: Backend
) -> None:
    rooms = office.rooms
    await open_room(rooms)
    await run(rooms, 1, FIRST)
    await lose(rooms, 1)
    await run(rooms, 2, SECOND)
    await lose(rooms, 2, LossCause.HANDED_OVER)
    await run(rooms, 3)
    await rooms.end(SID, 3, outcome="room empty")
    await office.work_until(lambda: len(acme.received) == 3)
    assert acme.kinds == ["call.started", "call.recovered", "call.ended"]
    assert acme.received[1].content["data"]["attempt"] == 2
    ended = acme.received[2].content["data"]
    record = ended["record"]
    assert (ended["sid"], ended["room"], ended["attempt"]) == (SID, "call-acme-1", 3)
    assert (record["state"], record["outcome"], record["ended_by"]) == ("ended", "room empty", "callers")
    assert [(part["attempt"], part["ending"], part["cause"]) for part in record["attempts"]] == [
        (1, "lost", "failed"),
        (2, "handed_over", ""),
        (3, "ended", ""),
    ]
    assert record["attempts"][0]["turns"] == {"turns": 1}
    assert {"opened", "first_claimed", "ended"} <= record["steps"].keys()
    assert record["usage"] == [
        {"type": "llm_usage", "provider": "openai", "model": "gpt", "input_tokens": 5, "output_tokens": 9},
        {"type": "tts_usage", "provider": "x"},
    ]
    assert await office.redis.exists("switchboard:notice_attempts:RM_1") == 0
    # Nothing of the installation.
    assert b"celery@one" not in acme.received[2].body
    assert b"secret" not in acme.received[2].body


async def test_a_call_that_waits_and_is_given_up_by_its_caller_has_ended(office: Office, acme: Backend) -> None:
    await open_room(office.rooms, sid="RM_0", notices=False, limits=Limits(tenant=1))
    await open_room(office.rooms, limits=Limits(tenant=1))
    await office.rooms.close(SID)
    await office.work_until(lambda: len(acme.received) == 3)
    assert acme.kinds == ["call.started", "call.waiting", "call.ended"]
    assert acme.received[2].content["data"]["record"]["state"] == "cancelled"


async def test_calls_that_nobody_could_answer_have_failed(office: Office, acme: Backend) -> None:
    rooms = office.rooms
    await open_room(rooms)
    await run(rooms, 1)
    await lose(rooms, 1, max_attempts=1)
    await open_room(rooms, sid="RM_2")
    await rooms.redis.delete("premium")
    await rooms.claim("RM_2", 1, claimant="a", worker="w", pid=1)
    await rooms.dead_letter("RM_2", attempt=1, reason="no such provider at http://10.0.0.1")
    await open_room(rooms, sid="RM_3")
    await rooms.waitlist.expire_waits("premium", -1, reason="waited too long", limit=10)
    await open_room(rooms, sid="RM_4", limits=Limits(tenant=0, waiting=0))
    await office.work_until(lambda: len(acme.received) == 7)
    failed = {
        one.content["data"]["sid"]: one.content["data"]["record"] for one in acme.received if "failed" in one.kind
    }
    assert {sid: (record["state"], record["public_reason"]) for sid, record in failed.items()} == {
        SID: ("dead", "unavailable"),
        "RM_2": ("dead", "unavailable"),
        "RM_3": ("dead", "busy"),
        "RM_4": ("refused", "busy"),
    }
    assert {record["outcome"] for record in failed.values()} == {""}


async def test_a_call_that_a_limit_has_ended_says_so(office: Office, acme: Backend) -> None:
    await open_room(office.rooms)
    await run(office.rooms, 1)
    await office.rooms.end(SID, 1, outcome="too long", ended_by=EndedBy.LIMIT)
    await office.work_until(lambda: len(acme.received) == 2)
    assert acme.received[1].content["data"]["record"]["ended_by"] == "limit"


async def test_a_room_of_a_tenant_without_notices_leaves_no_event(office: Office) -> None:
    await open_room(office.rooms, notices=False)
    await run(office.rooms, 1)
    await lose(office.rooms, 1)
    await run(office.rooms, 2)
    await office.rooms.end(SID, 2, outcome="room empty")
    assert await office.redis.exists("switchboard:notice_events") == 0


async def test_a_backend_is_told_only_of_what_its_tenant_has_chosen(office: Office, acme: Backend) -> None:
    await office.declare(acme=acme.url, more={"events": ["call.ended"]})
    await open_room(office.rooms)
    await run(office.rooms, 1)
    await office.rooms.end(SID, 1, outcome="room empty")
    await office.work_until(lambda: acme.received)
    assert acme.kinds == ["call.ended"]
    assert len(await office.notices()) == 1


async def test_an_event_that_is_not_understood_keeps_no_other_back(office: Office, acme: Backend) -> None:
    stream = keys.NOTICE_EVENTS
    for odd in ({"a": "b"}, {"kind": "later", "tenant": "acme", "sid": SID}, {"kind": "attempt", "tenant": "acme"}):
        await office.redis.xadd(stream, odd)  # type: ignore[arg-type]  # redis-py's fields are invariant
    await office.event("started")
    await office.work_until(lambda: acme.received)
    assert await office.redis.xlen(stream) == 0


async def test_two_schedulers_at_once_make_one_notice_of_an_event(office: Office, acme: Backend) -> None:
    for number in range(30):
        await office.event("started", sid=f"RM_{number}")
        await office.event("waiting", sid=f"RM_{number}")
    async with Office.open(office.redis) as other:
        await asyncio.gather(office.turn(), other.turn())
        await other.work_until(lambda: len(acme.received) == 60)
    assert len({request.id for request in acme.received}) == 60
    for number in range(30):
        of_call = [one.kind for one in acme.received if one.content["data"]["sid"] == f"RM_{number}"]
        assert of_call == ["call.started", "call.waiting"]
