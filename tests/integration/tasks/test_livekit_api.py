"""The client of the LiveKit server API: on a real server, and on one that answers with errors or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from livekit.protocol import models

from ops.caller.caller import Caller, caller_token
from ops.stack import Binaries
from ops.stack.livekit import LiveKitServer
from tasks.errors import SwitchboardError
from tasks.livekit_api import (
    LiveKitClient,
    LiveKitRequestFailed,
    LiveKitUnreachable,
    created_at_ms,
    is_caller,
)
from tests.support.livekit_server import livekit_without_webhooks

KEY, SECRET = "key", "a secret that is long enough for HS256 to be content"
NAME = "call-acme-1"


@pytest.fixture
async def livekit(binaries: Binaries, tmp_path: Path) -> AsyncIterator[LiveKitServer]:
    async with livekit_without_webhooks(binaries, tmp_path) as running:
        yield running


@asynccontextmanager
async def answering(status: int, code: str, *, after_seconds: float = 0.0) -> AsyncIterator[str]:
    """A server that answers each request with this error; yields its URL."""

    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(after_seconds)
        return web.json_response({"code": code, "msg": "no"}, status=status)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def test_a_room_is_created_once_listed_by_name_and_deleted(livekit: LiveKitServer) -> None:
    async with LiveKitClient(livekit.url, livekit.api_key, livekit.api_secret) as client:
        room = await client.create_room(NAME, metadata="{}", empty_seconds=300, departure_seconds=20)
        again = await client.create_room(NAME, metadata="{}", empty_seconds=300, departure_seconds=20)
        await client.create_room("another", metadata="", empty_seconds=300, departure_seconds=20)
        assert room.sid == again.sid
        assert (room.name, room.metadata, room.empty_timeout, room.departure_timeout) == (NAME, "{}", 300, 20)
        assert [listed.sid for listed in await client.list_rooms(NAME)] == [room.sid]
        assert {listed.name for listed in await client.list_rooms()} == {NAME, "another"}
        await client.delete_room(NAME)
        assert await client.list_rooms(NAME) == []


async def test_a_participant_is_listed_and_updated_and_its_node_says_that_it_is_connected(
    livekit: LiveKitServer,
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with (
        Caller.call(livekit.url, token),
        LiveKitClient(livekit.url, livekit.api_key, livekit.api_secret) as client,
    ):
        await client.update_participant(NAME, "caller", {"a": "1", "b": "2"})
        await client.update_participant(NAME, "caller", {"b": ""})
        (participant,) = await client.list_participants(NAME)
        assert (participant.identity, dict(participant.attributes)) == ("caller", {"a": "1"})
        assert is_caller(participant)
        assert await client.is_connected(NAME, "caller")
        assert not await client.is_connected(NAME, "nobody")


async def test_a_room_that_there_is_not_is_not_found(livekit: LiveKitServer) -> None:
    async with LiveKitClient(livekit.url, livekit.api_key, livekit.api_secret) as client:
        with pytest.raises(LiveKitRequestFailed) as failed:
            await client.delete_room("nobody's")
    assert (failed.value.code, failed.value.not_found, failed.value.temporary) == ("not_found", True, False)


@pytest.mark.parametrize(
    ("status", "code", "temporary"),
    [(401, "unauthenticated", False), (429, "resource_exhausted", True), (503, "unavailable", True)],
)
async def test_an_error_that_the_server_answers_with_keeps_its_code(status: int, code: str, *, temporary: bool) -> None:
    async with answering(status, code) as url, LiveKitClient(url, KEY, SECRET) as client:
        with pytest.raises(LiveKitRequestFailed, match=f"answers with the error {code}") as failed:
            await client.list_rooms()
    assert (failed.value.code, failed.value.temporary) == (code, temporary)


async def test_a_server_that_does_not_answer_within_the_deadline_is_unreachable() -> None:
    async with (
        answering(503, "unavailable", after_seconds=1) as url,
        LiveKitClient(url, KEY, SECRET, deadline_seconds=0.05) as client,
    ):
        with pytest.raises(LiveKitUnreachable, match=f"{url} does not answer: TimeoutError"):
            await client.list_rooms()


async def test_a_server_that_is_not_there_is_unreachable_and_may_be_tried_again() -> None:
    async with LiveKitClient("ws://127.0.0.1:1", KEY, SECRET) as client:
        with pytest.raises(SwitchboardError) as failed:
            await client.list_participants(NAME)
    assert isinstance(failed.value, LiveKitUnreachable)
    assert failed.value.retryable


def test_the_creation_of_a_room_is_known_in_ms_from_old_servers_too() -> None:
    assert created_at_ms(models.Room(creation_time=1_700_000_000)) == 1_700_000_000_000
    assert (
        created_at_ms(models.Room(creation_time=1_700_000_000, creation_time_ms=1_700_000_000_123)) == 1_700_000_000_123
    )
