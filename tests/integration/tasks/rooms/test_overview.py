"""All open rooms at once, read in parts."""

from __future__ import annotations

import pytest

from tasks.rooms import Limits, Room, RoomStore, State
from tasks.rooms.overview import RoomOverview
from tests.support.rooms import open_some_room


async def open_of(rooms: RoomStore, number: int, *, limit: int | None = None) -> None:
    await open_some_room(
        rooms,
        f"RM_{number}",
        name=f"call-acme-{number}",
        message=b"-" * 2000,
        started_at_ms=1000 + number,
        received_at_ms=1010 + number,
        limits=Limits(tenant=limit),
        agent_metadata="encrypted",
        number="+4930123456",
        trace="00-1-1-01",
    )


async def in_all_states(rooms: RoomStore) -> None:
    for number in range(7):
        await open_of(rooms, number, limit=5)
    for number in range(3):
        assert isinstance(await rooms.claim(f"RM_{number}", 1, claimant="c", worker="w", pid=1), Room)
    await rooms.renew("RM_0", 1, claimant="c", steps={"connecting": 1, "joined": 2, "published": 3, "first_audio": 4})
    await rooms.end("RM_1", 1, outcome="room finished", claimant="c")


@pytest.mark.parametrize("part", [1, 2, 3, 250])
async def test_each_open_room_is_listed_with_all_that_is_known_of_it(rooms: RoomStore, part: int) -> None:
    await in_all_states(rooms)
    listed = await RoomOverview(rooms.redis, part=part).rooms()
    assert [room.sid for room in listed] == ["RM_0", "RM_2", "RM_3", "RM_4", "RM_5", "RM_6"]
    assert listed == [await rooms.get(room.sid) for room in listed]
    assert listed == await rooms.list_open()


async def test_those_that_no_worker_has_claimed_have_their_position_among_their_tenants(rooms: RoomStore) -> None:
    await in_all_states(rooms)
    assert [(each.sid, each.state, each.position) for each in await RoomOverview(rooms.redis, part=2).read()] == [
        ("RM_0", State.RUNNING, None),
        ("RM_2", State.RUNNING, None),
        ("RM_3", State.QUEUED, 1),
        ("RM_4", State.QUEUED, 2),
        # A permit of the room that has ended has let the first of the waitlist in.
        ("RM_5", State.QUEUED, 3),
        ("RM_6", State.WAITING, 4),
    ]
