"""A caller on a real LiveKit server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from livekit import api, rtc
from livekit.rtc.participant import PublishTrackError

from ops.caller import caller as callers
from ops.caller.caller import Caller, caller_token
from ops.caller.microphone import Microphone
from ops.stack import Binaries
from tests.support.livekit_server import livekit_without_webhooks

NAME = "call-acme-1"


async def test_a_caller_that_hangs_up_while_connecting_leaves_the_room(binaries: Binaries, tmp_path: Path) -> None:
    async with livekit_without_webhooks(binaries, tmp_path) as livekit:
        token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
        calling = asyncio.create_task(_call(livekit.url, token))
        await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
            listed = await server.room.list_participants(api.ListParticipantsRequest(room=NAME))
            assert list(listed.participants) == []
            # It was there: the connection was whole before it was ended.
            assert [room.name for room in (await server.room.list_rooms(api.ListRoomsRequest())).rooms] == [NAME]


async def test_a_server_that_stops_answering_after_it_let_the_caller_in_is_not_connected_to(
    binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(self: Microphone, participant: rtc.LocalParticipant) -> None:
        raise PublishTrackError("track publication timed out, no response received from the server")

    monkeypatch.setattr(Microphone, "publish", lost)
    async with livekit_without_webhooks(binaries, tmp_path) as livekit:
        token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
        with pytest.raises(rtc.ConnectError, match="let the caller in"):
            await _call(livekit.url, token)


async def test_a_room_that_ends_before_the_callers_audio_is_published_is_not_connected_to(
    binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """livekit's client hears of no publication once its room is over, and waited for this one for ever."""
    ended = asyncio.Event()
    publish = Microphone.publish
    async with (
        livekit_without_webhooks(binaries, tmp_path) as livekit,
        api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server,
    ):

        async def publish_after_the_end(self: Microphone, participant: rtc.LocalParticipant) -> None:
            await server.room.delete_room(api.DeleteRoomRequest(room=NAME))
            await ended.wait()
            await publish(self, participant)

        monkeypatch.setattr(callers, "ANSWER_SECONDS", 2.0)
        monkeypatch.setattr(Microphone, "publish", publish_after_the_end)
        monkeypatch.setattr(Caller, "_on_disconnected", lambda *_: ended.set())
        token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
        async with asyncio.timeout(30):
            with pytest.raises(rtc.ConnectError, match="let the caller in"):
                await _call(livekit.url, token)


async def _call(url: str, token: str) -> None:
    async with Caller.call(url, token):
        await asyncio.Event().wait()
