"""`switchboard dead`, as an operator runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from livekit.protocol import models

from tasks.rooms import ClaimRefusal, RoomStore, State
from tests.support.command import fresh_switchboard, switchboard
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.rooms import open_some_room
from tests.support.tenants import declare

NAME = "call-acme-1"
ACME = '[tenants.acme]\ntier = "premium"\n'


@pytest.fixture
async def env(switchboard_env: dict[str, str], rooms: RoomStore) -> dict[str, str]:
    """The settings of a receiver, and a tenant."""
    await declare(rooms.redis, ACME)
    return switchboard_env


async def dead(env: Mapping[str, str], *arguments: str) -> tuple[int | None, str, str]:
    return await switchboard(env, "dead", *arguments)


async def die(rooms: RoomStore, sid: str, reason: str) -> str:
    """Open a room and make it a dead letter. Return the id of the letter."""
    await open_some_room(rooms, sid, name=NAME, started_at_ms=1000, received_at_ms=2000)
    await rooms.redis.delete("premium")
    assert not isinstance(await rooms.claim(sid, 1, claimant="a", worker="celery@one", pid=7), ClaimRefusal)
    assert await rooms.dead_letter(sid, attempt=1, reason=reason)
    return (await rooms.list_dead_letters(1))[0].id


async def test_an_empty_list_is_one_line(env: dict[str, str], rooms: RoomStore) -> None:
    assert await fresh_switchboard(env, "dead", "list") == (0, "no dead letters\n", "")
    assert await dead(env, "list", "--json") == (0, "[]\n", "")


async def test_the_list_has_a_line_for_each_letter_and_the_newest_first(env: dict[str, str], rooms: RoomStore) -> None:
    first = await die(rooms, "RM_1", "There is no provider 'whatsper'")
    second = await die(rooms, "RM_2", "it [bold]crashed[/bold] " + "and crashed " * 10)
    # It needs REDIS_URL, and no keys.
    status, output, _ = await dead({"REDIS_URL": env["REDIS_URL"]}, "list")
    heading, *lines = output.splitlines()
    assert status == 0
    assert heading.split() == ["id", "time", "room", "tenant", "attempt", "reason"]
    assert [line.split()[0] for line in lines] == [second, first]
    # A reason is not markup, and is not cut off in a pipe.
    assert "it [bold]crashed[/bold] and crashed" in lines[0]
    assert lines[0].rstrip().endswith("and crashed")


async def test_the_list_as_json_has_all_of_each_letter_and_is_limited(env: dict[str, str], rooms: RoomStore) -> None:
    await die(rooms, "RM_1", "one")
    letter = await die(rooms, "RM_2", "two")
    status, output, _ = await dead(env, "list", "--json", "--limit", "1")
    (listed,) = json.loads(output)
    assert status == 0
    assert listed.pop("at").endswith("+00:00")
    assert listed == {
        "id": letter,
        "sid": "RM_2",
        "name": NAME,
        "tenant": "acme",
        "tier": "premium",
        "attempt": 1,
        "reason": "two",
    }


async def test_a_letter_is_shown_by_its_id_or_its_room_with_the_steps_of_its_call(
    env: dict[str, str], rooms: RoomStore
) -> None:
    letter = await die(rooms, "RM_1", "one")
    status, by_id, _ = await dead(env, "show", letter)
    assert status == 0
    letter_object = json.loads(by_id)
    assert (letter_object["sid"], letter_object["reason"], letter_object["room_state"]) == ("RM_1", "one", "dead")
    assert list(letter_object["steps_ms"]) == ["room_started", "received", "queued", "claimed", "ended"]
    assert (await dead(env, "show", "RM_1"))[1] == by_id


async def test_a_letter_outlives_the_hash_of_its_room(env: dict[str, str], rooms: RoomStore) -> None:
    letter = await die(rooms, "RM_1", "one")
    await rooms.redis.delete("switchboard:room:RM_1")
    letter_object = json.loads((await dead(env, "show", letter))[1])
    assert (letter_object["room_state"], letter_object["steps_ms"]) == ("forgotten by Redis", {})


@pytest.mark.parametrize("command", ["show", "replay"])
async def test_an_unknown_letter_names_the_list(env: dict[str, str], rooms: RoomStore, command: str) -> None:
    status, output, errors = await dead(env, command, "RM_none")
    assert (status, output) == (1, "")
    assert errors.startswith("There is no dead letter RM_none. Give an id or a room's sid from")


async def test_a_replay_without_a_livekit_server_fails_with_the_reason(env: dict[str, str], rooms: RoomStore) -> None:
    letter = await die(rooms, "RM_1", "one")
    status, output, errors = await dead(env, "replay", letter)
    assert (status, output) == (1, "")
    assert errors.startswith("The LiveKit server at ws://127.0.0.1:1 does not answer: ")
    assert "Traceback" not in errors
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.state is State.DEAD


async def test_a_replay_queues_the_next_attempt_of_a_room_that_is_still_there(
    env: dict[str, str], rooms: RoomStore
) -> None:
    letter = await die(rooms, "RM_1", "one")
    async with FakeLiveKitApi.serve([models.Room(sid="RM_1", name=NAME)]) as server:
        answers = [await dead(env | {"LIVEKIT_URL": server.url}, "replay", name) for name in (letter, "RM_1")]
    assert answers == [(0, f"{NAME} is queued\n", ""), (1, "", f"{NAME} is not dead any more.\n")]
    room = await rooms.get("RM_1")
    assert room is not None
    assert (room.state, room.attempt) == (State.QUEUED, 2)
    assert await rooms.redis.llen("premium") == 1


async def test_a_replay_of_a_room_whose_name_another_one_has_now_is_over(env: dict[str, str], rooms: RoomStore) -> None:
    letter = await die(rooms, "RM_1", "one")
    async with FakeLiveKitApi.serve([models.Room(sid="RM_2", name=NAME)]) as server:
        status, _, errors = await dead(env | {"LIVEKIT_URL": server.url}, "replay", letter)
    assert (status, errors) == (1, f"{NAME} is over, so there is no caller to answer.\n")


async def test_a_replay_of_a_room_that_still_cannot_be_answered_fails_with_the_reason(
    env: dict[str, str], rooms: RoomStore
) -> None:
    letter = await die(rooms, "RM_1", "one")
    async with FakeLiveKitApi.serve([models.Room(sid="RM_1", name=NAME, metadata='{"tenant_id": "nobody"}')]) as server:
        status, output, errors = await dead(env | {"LIVEKIT_URL": server.url}, "replay", letter)
    assert (status, output) == (1, "")
    assert errors.startswith("There is no tenant 'nobody'")
    assert len(await rooms.list_dead_letters()) == 1


async def test_an_outage_of_redis_is_a_one_line_error(env: dict[str, str]) -> None:
    status, _, errors = await dead(env | {"REDIS_URL": "redis://127.0.0.1:1/0"}, "list")
    assert status == 1
    assert errors.startswith("Redis cannot be reached (")
    assert len(errors.splitlines()) == 1
