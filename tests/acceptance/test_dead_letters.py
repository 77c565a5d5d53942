"""A room that nobody can answer, what an operator sees of it, and its caller answered after all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from livekit import rtc

from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import utterance


async def test_an_operator_mends_what_was_wrong_before_the_caller_comes(running: Installation) -> None:
    # A room with a caller is deleted soon after it is a dead letter.
    async with running.room_made_ahead("latecomer") as room:
        letter = await running.dead_letter(room.sid)
        status, listed, _ = await running.switchboard("dead", "list", "--json")
        assert status == 0
        assert letter.id in [found["id"] for found in json.loads(listed)]
        status, shown, _ = await running.switchboard("dead", "show", letter.id)
        assert "There is no tenant 'latecomer'" in json.loads(shown)["reason"]

        status, _, problem = await running.switchboard("dead", "replay", letter.id)
        assert (status, "There is no tenant 'latecomer'" in problem) == (1, True)
        async with running.more_tenants('[tenants.latecomer]\ntier = "premium"\n'):
            status, said, _ = await running.switchboard("dead", "replay", room.sid)
            assert (status, said) == (0, f"{room.name} is queued\n")
            async with running.call("latecomer", room=room.name) as caller:
                await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
                status, _, problem = await running.switchboard("dead", "replay", room.sid)
                assert (status, problem) == (1, f"{room.name} is not dead any more.\n")
            await running.reaches(room.sid, State.ENDED)


async def test_a_caller_of_an_unknown_tenant_reads_that_nobody_can_answer_and_is_hung_up(
    running: Installation,
) -> None:
    async with running.room_made_ahead("nobody") as room, running.call("nobody", room=room.name) as caller:
        gone: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        caller.room.on("disconnected", gone.set_result)
        assert await asyncio.wait_for(gone, ANSWER_SECONDS) == rtc.DisconnectReason.ROOM_DELETED
        attributes = caller.room.local_participant.attributes
        assert attributes == {"switchboard.state": "ended", "switchboard.reason": "unavailable"}


async def test_a_letter_that_does_not_exist_is_said_to(running: Installation) -> None:
    status, _, problem = await running.switchboard("dead", "show", "RM_nobody")
    assert (status, "There is no dead letter RM_nobody" in problem) == (1, True)


@pytest_asyncio.fixture(loop_scope="session")
async def refusing() -> AsyncIterator[str]:
    """The base URL of a provider that knows nobody's key."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/v1"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("kind", "options"),
    [("llm", 'model = "m"'), ("tts", 'model = "m"')],
)
async def test_a_provider_that_refuses_its_key_is_a_dead_letter_and_not_tried_five_times(
    running: Installation, refusing: str, kind: str, options: str
) -> None:
    table = f'[tenants.unpaid]\ntier = "premium"\n[tenants.unpaid.{kind}]\nprovider = "openai"\n'
    unpaid = running.more_tenants(f'{table}{options}\nbase_url = "{refusing}"\n')
    async with unpaid, running.call("unpaid") as caller:
        if kind == "llm":
            await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            await caller.say(utterance("what are your opening hours"))
        letter = await running.dead_letter(caller.room_sid)
    assert letter.attempt == 1
    assert "refused the tenant's key" in letter.reason
    assert "401" in letter.reason or "Incorrect API key" in letter.reason
