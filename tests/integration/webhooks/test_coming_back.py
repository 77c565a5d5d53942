"""Callers who rejoin a room whose call has ended, and webhooks that arrive late."""

from __future__ import annotations

import pytest

from tasks.rooms import ClaimRefusal, EndedBy, RoomStore, State
from tests.integration.webhooks.sender import Answer, Sender, event, new_sid

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ended(sender: Sender, rooms: RoomStore, by: EndedBy = EndedBy.CALLERS) -> tuple[str, int]:
    """A room whose call has ended, and when, unix ms."""
    sid = new_sid()
    await sender.post(event("room_started", sid))
    await rooms.redis.delete("premium")
    claim = await rooms.claim(sid, 1, claimant="a", worker="celery@one", pid=7)
    assert not isinstance(claim, ClaimRefusal)
    assert await rooms.end(sid, 1, outcome="room empty", ended_by=by)
    room = await rooms.get(sid)
    assert room is not None
    return sid, room.steps_ms["ended"]


async def joined(sender: Sender, sid: str, **participant: str) -> Answer:
    return await sender.post(event("participant_joined", sid, participant={"identity": "caller", **participant}))


async def test_a_caller_who_joins_after_the_call_has_ended_is_answered_again(sender: Sender, rooms: RoomStore) -> None:
    sid, ended_ms = await ended(sender, rooms)

    answer = await joined(sender, sid, joinedAtMs=str(ended_ms + 1))
    again = await joined(sender, sid, joinedAtMs=str(ended_ms + 1))

    assert (answer.outcome, again.outcome) == ("queued", "known")
    room = await rooms.get(sid)
    assert room is not None
    assert (room.state, room.attempt) == (State.QUEUED, 2)
    assert await rooms.redis.llen("premium") == 1


@pytest.mark.parametrize("by", [EndedBy.AGENT, EndedBy.LIMIT])
@pytest.mark.parametrize("kind", ["STANDARD", "SIP"])
async def test_who_joins_a_room_that_its_agent_or_a_limit_has_ended_gets_no_agent(
    sender: Sender, rooms: RoomStore, by: EndedBy, kind: str
) -> None:
    sid, ended_ms = await ended(sender, rooms, by)

    # The colleague to whom the agent has handed the caller over, 3 s later.
    answer = await joined(sender, sid, kind=kind, joinedAtMs=str(ended_ms + 3000))

    assert answer.outcome == "known"
    assert await rooms.redis.llen("premium") == 0


@pytest.mark.parametrize("permission", [{"hidden": True}, {"recorder": True}])
async def test_a_hidden_supervisor_who_looks_into_a_room_that_is_over_gets_no_agent(
    sender: Sender, rooms: RoomStore, permission: dict[str, bool]
) -> None:
    sid, ended_ms = await ended(sender, rooms)
    participant = {"identity": "supervisor", "permission": permission, "joinedAtMs": str(ended_ms + 1)}

    answer = await sender.post(event("participant_joined", sid, participant=participant))

    assert answer.outcome == "ignored"
    assert await rooms.redis.llen("premium") == 0


async def test_a_participant_joined_from_before_the_end_that_arrives_late_makes_no_second_call(
    sender: Sender, rooms: RoomStore
) -> None:
    sid, ended_ms = await ended(sender, rooms)

    at_the_end = await joined(sender, sid, joinedAtMs=str(ended_ms))
    long_before = await joined(sender, sid, joinedAt="1700000000")
    without_time = await joined(sender, sid)
    agent = await joined(sender, sid, joinedAtMs=str(ended_ms + 1), kind="AGENT")

    assert (at_the_end.outcome, long_before.outcome, without_time.outcome) == ("known", "known", "known")
    assert agent.outcome == "ignored"
    assert await rooms.redis.llen("premium") == 0


async def test_a_room_started_that_arrives_late_makes_no_second_call(sender: Sender, rooms: RoomStore) -> None:
    sid, _ = await ended(sender, rooms)

    answer = await sender.post(event("room_started", sid))

    assert answer.outcome == "known"
    assert await rooms.redis.llen("premium") == 0


async def test_a_caller_who_comes_back_twice_is_answered_twice_more(sender: Sender, rooms: RoomStore) -> None:
    sid, ended_ms = await ended(sender, rooms)
    await joined(sender, sid, joinedAtMs=str(ended_ms + 1))
    assert not isinstance(await rooms.claim(sid, 2, claimant="b", worker="celery@one", pid=8), ClaimRefusal)
    assert await rooms.end(sid, 2, outcome="room empty")

    answer = await joined(sender, sid, joinedAtMs=str(ended_ms + 60_000))

    assert answer.outcome == "queued"
    room = await rooms.get(sid)
    assert room is not None
    assert (room.state, room.attempt) == (State.QUEUED, 3)
