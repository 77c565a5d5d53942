"""Webhooks that come often, late, wrongly, or while Redis is away, and the agents that come of them."""

from __future__ import annotations

import asyncio
import io
import json
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from livekit import api

from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.rooms import RoomStore, State
from tests.acceptance.installation import ANSWER_SECONDS, TIERS, Installation
from tests.support.light_worker import LIGHT
from tests.support.signed_webhook import sign
from tests.support.webhook_delivery import deliver

HERE = Path(__file__).parent
TURN_PASSWORD = "the-turn-password-of-the-room"


def body(name: str, sid: str, room: str, metadata: str = "") -> bytes:
    fields = {"sid": sid, "name": room, "metadata": metadata, "turnPassword": TURN_PASSWORD}
    return json.dumps({"event": name, "id": f"EV_{uuid.uuid4().hex}", "room": fields}).encode()


async def post(session: aiohttp.ClientSession, url: str, content: bytes, token: str | None) -> int:
    headers = {"Content-Type": "application/webhook+json"} | ({"Authorization": token} if token else {})
    async with session.post(url, data=io.BytesIO(content), headers=headers) as response:
        await response.read()
        return response.status


def signed(stack: Stack, content: bytes, **options: Any) -> str:
    return sign(content, stack.livekit.api_key, stack.livekit.api_secret, **options)


def logs(stack: Stack) -> str:
    return "".join(path.read_text() for path in sorted(stack.directory.glob("*.log")))


async def test_ten_webhooks_at_once_to_two_receivers_make_one_task_and_one_agent(running: Installation) -> None:
    stack = running.stack
    urls = [f"http://127.0.0.1:{receiver.port}/livekit/webhook" for receiver in stack.receivers]
    assert len(urls) == 2
    async with running.call("acme") as caller, aiohttp.ClientSession() as session:
        content = body("room_started", caller.room_sid, caller.room.name)
        token = signed(stack, content)
        statuses = await asyncio.gather(*(post(session, urls[number % 2], content, token) for number in range(10)))
        assert statuses == [200] * 10
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        # A second task would have been received by now: it would have come before the agent could speak.
        received = stack.workers["premium"].log.read_text().count(f"tasks.run_room[{room.sid}:1] received")
        assert received == 1
        agents = [person for person in caller.room.remote_participants.values() if person.identity.startswith("agent-")]
        assert [agent.identity for agent in agents] == [f"agent-{room.sid}-1"]


async def test_a_room_that_finished_before_its_task_started_gets_no_agent_and_does_not_come_back(
    running: Installation,
) -> None:
    stack, livekit = running.stack, running.stack.livekit
    async with running.call("loadco") as caller:
        name, sid = caller.room.name, caller.room_sid
        await running.reaches(sid, State.QUEUED)
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        await server.room.delete_room(api.DeleteRoomRequest(room=name))
        room = await running.reaches(sid, State.CANCELLED)
        # Its message went with it.
        assert await running.rooms.redis.llen("loaded") == 0

        worker = await stack.add_worker(WorkerSpec("late", ("loaded",), env=LIGHT))
        try:
            await running.intake(worker, "open")
            assert await running.rooms.get(sid) == room
            listed = await server.room.list_rooms(api.ListRoomsRequest(names=[name]))
            assert list(listed.rooms) == []
        finally:
            await worker.stop()


@pytest.mark.parametrize(
    ("room", "metadata", "reason"),
    [
        ("standup", '{"tenant_id": "nobody"}', "There is no tenant 'nobody'"),
        ("call-untiered-1", "", "tier 'gold' does not exist"),
    ],
)
async def test_a_room_that_belongs_to_nobody_is_a_dead_letter_that_says_why(
    running: Installation, room: str, metadata: str, reason: str
) -> None:
    sid = f"RM_{uuid.uuid4().hex}"
    content = body("room_started", sid, room, metadata)
    async with aiohttp.ClientSession() as session:
        assert await post(session, running.stack.webhook_url, content, signed(running.stack, content)) == 200
    letter = await running.dead_letter(sid)
    assert reason in letter.reason


@pytest.mark.parametrize(
    ("tenant", "reason"),
    [
        ("misspelt", "Unknown stt provider 'whatsper'. Known stt providers: deepgram, "),
        ("keyless", "Tenant 'keyless', [stt] key: Redis does not have it; apply the tenants file again"),
        ("lost-agent", "importing no_such_module raised ModuleNotFoundError"),
    ],
)
async def test_a_call_that_no_attempt_could_answer_is_a_dead_letter_that_says_why(
    running: Installation, tenant: str, reason: str
) -> None:
    async with running.call(tenant) as caller:
        letter = await running.dead_letter(caller.room_sid)
    assert reason in letter.reason
    assert letter.attempt == 1


async def test_bad_requests_get_their_status_and_no_secret_reaches_a_log(running: Installation) -> None:
    stack = running.stack
    good = body("room_started", f"RM_{uuid.uuid4().hex}", "call-acme-bad")
    other = body("room_started", f"RM_{uuid.uuid4().hex}", "call-acme-other")
    broken = good[:-1]
    token = signed(stack, good)
    requests = {
        "forged": (good, sign(good, stack.livekit.api_key, "another secret, as long as the real one is"), 401),
        "expired": (good, signed(stack, good, expires_in_s=-3600), 401),
        "another body's signature": (other, token, 401),
        "wrong key": (good, sign(good, "APIunknown", stack.livekit.api_secret), 401),
        "no header": (good, None, 401),
        "10 MiB": (b"x" * (10 << 20), token, 413),
        "broken JSON": (broken, signed(stack, broken), 400),
    }
    async with aiohttp.ClientSession() as session:
        for name, (content, header, status) in requests.items():
            assert (name, await post(session, stack.webhook_url, content, header)) == (name, status)
    assert await running.rooms.get(json.loads(good)["room"]["sid"]) is None

    written = logs(stack)
    for secret in (token, stack.livekit.api_secret, TURN_PASSWORD, stack.redis_url.split("@")[0], "turnPassword"):
        assert secret not in written


async def test_redis_killed_while_webhooks_come_in_costs_no_call(binaries: Binaries, tmp_path: Path) -> None:
    # What else this machine does must not decide whether the call is taken.
    load = tmp_path / "load"
    load.write_text("0.1")
    options = StackOptions(
        directory=tmp_path,
        binaries=binaries,
        workers=(WorkerSpec("premium", ("premium",)),),
        tenants=HERE / "tenants.toml",
        env={
            "SWITCHBOARD_TIERS": TIERS,
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
            "SWITCHBOARD_LOAD_FILE": str(load),
        },
        redis_append_only=True,
    )
    async with Stack.start(options) as stack, aiohttp.ClientSession() as session:
        stack.redis.kill()
        await stack.redis.exited()
        async with stack.redis.client() as client:
            own = Installation(stack, RoomStore(client))
            async with own.call("acme") as caller:
                content = body("room_started", caller.room_sid, caller.room.name)
                began = time.monotonic()
                assert await post(session, stack.webhook_url, content, signed(stack, content)) == 503
                assert time.monotonic() - began < 2.5
                await stack.redis.start()
                token = signed(stack, content)
                posting = partial(post, session, stack.webhook_url, content, token)
                assert (await deliver(posting, status_of=int))[-1] == 200
                await caller.listener.wait_for_sound(0, 30.0)
                room = await own.reaches(caller.room_sid, State.RUNNING)
                assert room.attempt == 1
