"""`switchboard dead`, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping

import pytest
from livekit.protocol import models

from ops.stack import environment
from tasks.rooms import Refusal, RoomStore, State
from tests.support.fake_livekit_api import RoomListing
from tests.support.tenants import declare

NAME = "call-acme-1"
ACME = '[tenants.acme]\ntier = "premium"\n'


@pytest.fixture
async def env(switchboard_env: dict[str, str], rooms: RoomStore) -> dict[str, str]:
    """The settings of a receiver, and a tenant."""
    await declare(rooms.redis, ACME)
    return switchboard_env


async def dead(env: Mapping[str, str], *arguments: str) -> tuple[int | None, str, str]:
    """The exit status of `switchboard dead …`, and what it has said on stdout and on stderr."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", "dead", *arguments),
        env=environment.merged(environment.inherited(), env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(command.communicate(), 60)
    return command.returncode, said.decode(), complained.decode()


async def die(rooms: RoomStore, sid: str, reason: str) -> str:
    """The room was opened and cannot be answered. The id of its letter."""
    await rooms.open(
        sid=sid,
        name=NAME,
        tenant="acme",
        tier="premium",
        queue="premium",
        message=b"",
        started_at_ms=1000,
        received_at_ms=2000,
    )
    await rooms.redis.delete("premium")
    assert not isinstance(await rooms.claim(sid, 1, claimant="a", worker="celery@one", pid=7), Refusal)
    assert await rooms.bury(sid, attempt=1, name=NAME, tenant="acme", tier="premium", reason=reason)
    return (await rooms.dead_letters(1))[0].id


async def test_an_empty_list_says_so(env: dict[str, str], rooms: RoomStore) -> None:
    assert await dead(env, "list") == (0, "no dead letters\n", "")
    assert await dead(env, "list", "--json") == (0, "[]\n", "")


async def test_the_list_has_a_line_for_each_letter_and_the_newest_first(env: dict[str, str], rooms: RoomStore) -> None:
    first = await die(rooms, "RM_1", "There is no provider 'whatsper'")
    second = await die(rooms, "RM_2", "it [bold]crashed[/bold] " + "and crashed " * 10)
    # It needs to reach Redis, and no keys.
    status, said, _ = await dead({"REDIS_URL": env["REDIS_URL"]}, "list")
    heading, *lines = said.splitlines()
    assert status == 0
    assert heading.split() == ["id", "when", "room", "tenant", "attempt", "why"]
    assert [line.split()[0] for line in lines] == [second, first]
    # A reason is no markup, and is not cut off where a script reads it.
    assert "it [bold]crashed[/bold] and crashed" in lines[0]
    assert lines[0].rstrip().endswith("and crashed")


async def test_the_list_as_json_has_all_of_each_letter_and_is_limited(env: dict[str, str], rooms: RoomStore) -> None:
    await die(rooms, "RM_1", "one")
    letter = await die(rooms, "RM_2", "two")
    status, said, _ = await dead(env, "list", "--json", "--limit", "1")
    (found,) = json.loads(said)
    assert status == 0
    assert found.pop("at").endswith("+00:00")
    assert found == {
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
    shown = json.loads(by_id)
    assert (shown["sid"], shown["reason"], shown["room_state"]) == ("RM_1", "one", "dead")
    assert list(shown["steps_ms"]) == ["room_started", "received", "queued", "claimed", "ended"]
    assert (await dead(env, "show", "RM_1"))[1] == by_id


async def test_a_letter_outlives_what_redis_knows_of_its_room(env: dict[str, str], rooms: RoomStore) -> None:
    letter = await die(rooms, "RM_1", "one")
    await rooms.redis.delete("switchboard:room:RM_1")
    shown = json.loads((await dead(env, "show", letter))[1])
    assert (shown["room_state"], shown["steps_ms"]) == ("forgotten by Redis", {})


@pytest.mark.parametrize("command", ["show", "replay"])
async def test_a_letter_that_there_is_not_names_the_list(env: dict[str, str], rooms: RoomStore, command: str) -> None:
    status, said, complained = await dead(env, command, "RM_none")
    assert (status, said) == (1, "")
    assert complained.startswith("There is no dead letter RM_none. Give an id or a room's sid from")


async def test_a_replay_asks_a_livekit_server_and_says_when_it_does_not_answer(
    env: dict[str, str], rooms: RoomStore
) -> None:
    letter = await die(rooms, "RM_1", "one")
    status, said, complained = await dead(env, "replay", letter)
    assert (status, said) == (1, "")
    assert complained.startswith("The LiveKit server at ws://127.0.0.1:1 does not answer: ")
    assert "Traceback" not in complained
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.state is State.DEAD


async def test_a_replay_queues_the_next_attempt_of_a_room_that_is_still_there(
    env: dict[str, str], rooms: RoomStore
) -> None:
    letter = await die(rooms, "RM_1", "one")
    async with RoomListing.serve([models.Room(sid="RM_1", name=NAME)]) as server:
        answers = [await dead(env | {"LIVEKIT_URL": server.url}, "replay", name) for name in (letter, "RM_1")]
    assert answers == [(0, f"{NAME} is queued\n", ""), (1, "", f"{NAME} is not dead any more.\n")]
    room = await rooms.get("RM_1")
    assert room is not None
    assert (room.state, room.attempt) == (State.QUEUED, 2)
    assert await rooms.redis.llen("premium") == 1


async def test_a_replay_of_a_room_whose_name_another_one_has_now_is_over(env: dict[str, str], rooms: RoomStore) -> None:
    letter = await die(rooms, "RM_1", "one")
    async with RoomListing.serve([models.Room(sid="RM_2", name=NAME)]) as server:
        status, _, complained = await dead(env | {"LIVEKIT_URL": server.url}, "replay", letter)
    assert (status, complained) == (1, f"{NAME} is over, so there is nobody to answer.\n")


async def test_a_replay_of_a_room_that_still_cannot_be_answered_says_why(env: dict[str, str], rooms: RoomStore) -> None:
    letter = await die(rooms, "RM_1", "one")
    async with RoomListing.serve([models.Room(sid="RM_1", name=NAME, metadata='{"tenant_id": "nobody"}')]) as server:
        status, said, complained = await dead(env | {"LIVEKIT_URL": server.url}, "replay", letter)
    assert (status, said) == (1, "")
    assert complained.startswith("There is no tenant 'nobody'")
    assert len(await rooms.dead_letters()) == 1


async def test_a_redis_that_is_away_is_one_line(env: dict[str, str]) -> None:
    status, _, complained = await dead(env | {"REDIS_URL": "redis://127.0.0.1:1/0"}, "list")
    assert status == 1
    assert complained.startswith("Redis cannot be reached (")
    assert len(complained.splitlines()) == 1
