"""The sync with a fake LiveKit server, at moments that a real one does not wait for."""

from __future__ import annotations

from functools import partial

import pytest
from livekit.protocol import models

from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.reconcile.livekit_sync import LiveKitSync, LiveKitSyncConfig
from tasks.rooms import ClaimRefusal, EndedBy, Room, RoomStore, RoomSummary, State, keys
from tasks.rooms.keys import OVER_ROOM_MS
from tasks.rooms.store import SCAN_BATCH
from tasks.settings import LivekitSettings
from tests.integration.tasks.reconcile.calls import MAX_ATTEMPTS, now_ms
from tests.support.fake_livekit_api import FakeLiveKitApi

SID, NAME = "RM_1", "call-acme-1"
SLACK_MS = 1000
ANNOUNCED_MS = LiveKitSyncConfig().announced_ms


class Sweep:
    """Sweeps of a server, each with the rooms that it lists then."""

    def __init__(
        self, rooms: RoomStore, dispatcher: Dispatcher, server: FakeLiveKitApi, livekit: LivekitSettings
    ) -> None:
        self._server = server
        self._make = partial(LiveKitSync, rooms, dispatcher, livekit, max_attempts=MAX_ATTEMPTS)
        self.configure(LiveKitSyncConfig())

    def configure(self, config: LiveKitSyncConfig) -> None:
        self._sync = self._make(config)

    async def __call__(self, *listed: models.Room) -> bool:
        self._server.list_rooms(listed)
        return await self._sync.sweep()


@pytest.fixture
def sweep(rooms: RoomStore, dispatcher: Dispatcher, server: FakeLiveKitApi, livekit_settings: LivekitSettings) -> Sweep:
    return Sweep(rooms, dispatcher, server, livekit_settings)


def listed(*, started_ms_ago: int = ANNOUNCED_MS + SLACK_MS, people: int = 1) -> models.Room:
    return models.Room(sid=SID, name=NAME, num_participants=people, creation_time_ms=now_ms() - started_ms_ago)


async def get(rooms: RoomStore) -> Room:
    room = await rooms.get(SID)
    assert room is not None
    return room


async def ended(rooms: RoomStore, dispatcher: Dispatcher, ended_by: EndedBy, *, ms_ago: int) -> None:
    """A room whose call ended `ms_ago`. Redis' clock cannot be set, so the recorded time is moved."""
    await dispatcher.open(RoomInfo(SID, NAME))
    assert not isinstance(await rooms.claim(SID, 1, claimant="a", worker="celery@one", pid=7), ClaimRefusal)
    assert await rooms.end(SID, 1, outcome="o", ended_by=ended_by)
    await rooms.redis.hset(keys.room(SID), "at:ended", str(now_ms() - ms_ago))


async def test_an_unknown_room_is_opened_when_its_webhooks_should_have_come(rooms: RoomStore, sweep: Sweep) -> None:
    soon_again = await sweep(listed(started_ms_ago=0))
    assert (soon_again, await rooms.get(SID)) == (True, None)
    assert not await sweep(listed())
    room = await get(rooms)
    assert (room.state, room.tenant, room.attempt) == (State.QUEUED, "acme", 1)


async def test_an_unknown_room_without_participants_is_not_opened(rooms: RoomStore, sweep: Sweep) -> None:
    await sweep(listed(people=0))
    assert await rooms.get(SID) is None


async def test_a_server_that_knows_only_seconds_is_understood(rooms: RoomStore, sweep: Sweep) -> None:
    await sweep(models.Room(sid=SID, name=NAME, num_participants=1, creation_time=1_700_000_000))
    assert (await get(rooms)).steps_ms["room_started"] == 1_700_000_000_000


async def test_a_room_that_was_left_alone_is_opened_again_a_while_after_its_end(
    rooms: RoomStore, dispatcher: Dispatcher, sweep: Sweep
) -> None:
    # The server still counts the participants who have just left, the agent among them.
    await ended(rooms, dispatcher, EndedBy.CALLERS, ms_ago=0)
    await sweep(listed())
    assert (await get(rooms)).state is State.ENDED
    await rooms.redis.hset(keys.room(SID), "at:ended", str(now_ms() - ANNOUNCED_MS - SLACK_MS))
    await sweep(listed(people=0))
    assert (await get(rooms)).state is State.ENDED
    await sweep(listed())
    room = await get(rooms)
    assert (room.state, room.attempt) == (State.QUEUED, 2)


@pytest.mark.parametrize("ended_by", [EndedBy.AGENT, EndedBy.LIMIT])
async def test_a_room_whose_call_was_not_ended_by_its_callers_is_not_opened_again(
    rooms: RoomStore, dispatcher: Dispatcher, sweep: Sweep, ended_by: EndedBy
) -> None:
    await ended(rooms, dispatcher, ended_by, ms_ago=60_000)
    await sweep(listed())
    assert (await get(rooms)).state is State.ENDED


async def test_a_dead_room_gets_no_second_letter(rooms: RoomStore, sweep: Sweep) -> None:
    homeless = listed()
    homeless.metadata = '{"tenant_id": "nobody"}'
    for _ in range(3):
        await sweep(homeless)
    assert len(await rooms.list_dead_letters()) == 1


async def test_a_room_that_is_over_is_kept_in_redis_for_as_long_as_somebody_is_in_it(
    rooms: RoomStore, dispatcher: Dispatcher, sweep: Sweep
) -> None:
    await ended(rooms, dispatcher, EndedBy.AGENT, ms_ago=60_000)
    await rooms.redis.pexpire(keys.room(SID), 10_000)
    await sweep(listed())
    # Without its key, it would be a room that was never announced, and its caller would get another call.
    assert 10_000 < await rooms.redis.pttl(keys.room(SID)) <= OVER_ROOM_MS


async def test_looking_up_a_room_does_not_shorten_the_ttl_of_an_open_one(
    rooms: RoomStore, dispatcher: Dispatcher
) -> None:
    await dispatcher.open(RoomInfo(SID, NAME))
    found = await rooms.look_up(["RM_unknown", SID])
    assert found == {SID: RoomSummary(State.QUEUED, "", None)}
    assert await rooms.redis.pttl(keys.room(SID)) > OVER_ROOM_MS


async def test_a_sweep_that_takes_too_long_is_continued_by_the_next_one(rooms: RoomStore, sweep: Sweep) -> None:
    sweep.configure(LiveKitSyncConfig(budget_seconds=0))
    three = [listed() for _ in range(3)]
    for number, room in enumerate(three):
        room.sid = f"RM_{number}"
    for opened in (1, 2, 3, 3):
        await sweep(*three)
        assert len(await rooms.opened_ms()) == opened


async def test_rooms_are_looked_up_in_batches_and_none_is_left_out(rooms: RoomStore, sweep: Sweep) -> None:
    sweep.configure(LiveKitSyncConfig(batch=2))
    five = [listed() for _ in range(5)]
    for number, room in enumerate(five):
        room.sid = f"RM_{number}"
    await sweep(*five)
    assert set(await rooms.opened_ms()) == {room.sid for room in five}


async def test_every_open_room_is_known_when_there_are_thousands(rooms: RoomStore) -> None:
    many = {f"RM_{number}": 1_700_000_000_000 + number for number in range(3 * SCAN_BATCH)}
    await rooms.redis.zadd(keys.ROOMS, many)
    assert await rooms.opened_ms() == many


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "odd", "metadata": "[" * 60_000},
        {"name": "call-broken-1"},
        {"name": "odd", "metadata": r'{"tenant_id": "\\ud800"}'},
        {"name": "odd", "metadata": '{"tenant_id": "unreadable"}'},
    ],
    ids=["brackets", "broken tenant", "surrogate", "unreadable tenant"],
)
async def test_a_room_with_odd_data_keeps_no_other_from_being_opened(
    rooms: RoomStore, sweep: Sweep, odd: dict[str, str]
) -> None:
    await rooms.redis.hset("switchboard:tenants", mapping={"broken": "{", "unreadable": "[" * 60_000})
    first = listed()
    first.sid, first.name, first.metadata = "RM_0", odd["name"], odd.get("metadata", "")
    await sweep(first, listed())
    assert (await get(rooms)).state is State.QUEUED


async def test_a_room_whose_key_is_no_room_keeps_no_other_from_being_opened(rooms: RoomStore, sweep: Sweep) -> None:
    first = listed()
    first.sid = "RM_0"
    # Known to no list of ours, and no hash.
    await rooms.redis.set("switchboard:tenantless", "no zset", ex=60)
    first.name = "names no tenant"
    try:
        await sweep(first, listed())
    finally:
        await rooms.redis.delete("switchboard:tenantless")
    assert (await get(rooms)).state is State.QUEUED


async def test_rooms_that_are_not_opened_keep_no_others_from_their_turn(
    rooms: RoomStore, sweep: Sweep, server: FakeLiveKitApi
) -> None:
    sweep.configure(LiveKitSyncConfig(budget_seconds=0))
    supervised = [listed() for _ in range(3)]
    for number, room in enumerate(supervised):
        room.sid, room.name = f"RM_0{number}", f"call-acme-supervised{number}"
        hidden = models.ParticipantPermission(hidden=True)
        server.participants[room.name] = [models.ParticipantInfo(identity="boss", permission=hidden)]
    for _ in range(4):
        await sweep(*supervised, listed())
    assert set(await rooms.opened_ms()) == {SID}
