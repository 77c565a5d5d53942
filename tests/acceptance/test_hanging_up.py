"""The end of a call, as Redis, LiveKit and the worker see it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
from livekit import api, rtc

from ops.caller.caller import caller_token
from ops.stack import WorkerSpec, die_with_parent
from tasks.rooms import State, keys
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.support.waiting import until

# livekit-server gives a participant that has fallen silent about 15 s.
NETWORK_LOSS_SECONDS = 40.0


async def participants(running: Installation, room: str) -> list[str]:
    livekit = running.stack.livekit
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        listed = await server.room.list_participants(api.ListParticipantsRequest(room=room))
        return [participant.identity for participant in listed.participants]


async def is_gone(pid: int) -> None:
    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    await until(gone)


async def slot_is_free_again(running: Installation, worker: str, before: int) -> None:
    async def free() -> bool:
        return await running.idle_children(worker) >= before

    await until(free)


async def test_when_the_last_caller_leaves_the_agent_leaves_and_nothing_is_left_behind(running: Installation) -> None:
    before = await running.idle_children("premium")
    async with running.call("acme") as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        assert room.pid is not None
        assert psutil.pid_exists(room.pid)
    ended = await running.reaches(room.sid, State.ENDED)
    assert ended.reason == "room empty"
    assert await participants(running, room.name) == []
    assert await running.rooms.redis.zscore(keys.LEASES, room.sid) is None
    assert await running.rooms.redis.pttl(keys.room(room.sid)) > 0
    await is_gone(room.pid)
    await slot_is_free_again(running, "premium", before)


async def test_a_caller_who_comes_back_within_the_grace_time_keeps_the_call(running: Installation) -> None:
    name = running.room_name("acme")
    async with running.call("acme", room=name) as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        sid = caller.room_sid
    async with running.call("acme", room=name) as caller:
        assert caller.room_sid == sid
        await caller.wait_for_agent(ANSWER_SECONDS)
        # Longer than the grace time, which the first departure has begun.
        await asyncio.sleep(2)
        room = await running.reaches(sid, State.RUNNING)
        assert room.attempt == 1


async def test_a_caller_who_leaves_before_the_server_has_announced_it_ends_the_call(running: Installation) -> None:
    livekit = running.stack.livekit
    name = running.room_name("acme")
    heard = asyncio.Event()
    # Without a track of its own, a participant is announced to the others only after 3 s.
    caller = rtc.Room()
    caller.on("track_subscribed", lambda *_: heard.set())
    await caller.connect(livekit.url, caller_token(livekit.api_key, livekit.api_secret, room=name, identity="caller"))
    sid = await caller.sid
    await asyncio.wait_for(heard.wait(), ANSWER_SECONDS)
    await caller.disconnect()
    room = await running.reaches(sid, State.ENDED)
    assert room.reason == "room empty"


async def test_a_caller_whose_network_dies_ends_the_call_too(running: Installation, tmp_path: Path) -> None:
    livekit = running.stack.livekit
    name = running.room_name("acme")
    token = caller_token(livekit.api_key, livekit.api_secret, room=name, identity="caller")
    caller = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", die_with_parent.__file__, str(psutil.Process().pid)),
        *(sys.executable, "-m", "tests.acceptance.silent_caller", livekit.url, token),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert caller.stdout is not None
        sid = (await asyncio.wait_for(caller.stdout.readline(), ANSWER_SECONDS)).decode().strip()
        await running.reaches(sid, lambda room: "first_audio" in room.steps_ms)
    finally:
        caller.kill()
        await caller.wait()
    room = await running.reaches(sid, State.ENDED, NETWORK_LOSS_SECONDS)
    assert room.reason == "room empty"
    assert room.pid is not None
    await is_gone(room.pid)


async def test_the_call_ends_when_the_room_is_deleted(running: Installation) -> None:
    livekit = running.stack.livekit
    async with running.call("acme") as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
            await server.room.delete_room(api.DeleteRoomRequest(room=room.name))
            await running.reaches(room.sid, State.ENDED)
            rooms = await server.room.list_rooms(api.ListRoomsRequest(names=[room.name]))
    assert list(rooms.rooms) == []


async def test_an_agent_that_nobody_comes_to_leaves_after_the_join_time(running: Installation) -> None:
    livekit = running.stack.livekit
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        made = await server.room.create_room(api.CreateRoomRequest(name=running.room_name("acme")))
        room = await running.reaches(made.sid, State.ENDED)
        assert room.reason == "nobody came"
        assert "joined" in room.steps_ms
        await server.room.delete_room(api.DeleteRoomRequest(room=made.name))


async def test_a_call_ends_at_the_maximum_length(running: Installation) -> None:
    worker = await running.stack.add_worker(WorkerSpec("short", ("short",), env={"SWITCHBOARD_MAX_CALL_SECONDS": "3"}))
    try:
        async with running.call("brief") as caller:
            room = await running.reaches(caller.room_sid, State.ENDED)
        assert room.reason == "maximum length"
        assert room.steps_ms["ended"] - room.steps_ms["claimed"] < 6000
    finally:
        await worker.stop()
