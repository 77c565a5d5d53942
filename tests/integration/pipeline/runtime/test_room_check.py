"""The check of a room on a LiveKit server that hangs."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.errors import RoomUnreachable
from pipeline.options import CallOptions, ProviderOptions, Secret, VoiceAgentOptions
from pipeline.runtime import job


async def test_a_server_that_takes_a_request_and_does_not_answer_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "ROOM_CHECK_SECONDS", 0.2)
    hung_up = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung_up.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    local = ProviderOptions("local")
    options = CallOptions(
        room_sid="RM_1",
        room_name="call-acme-1",
        attempt=1,
        livekit_url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        livekit_api_key="key",
        livekit_api_secret=Secret("a secret that is long enough for HS256"),
        worker="worker",
        agent_metadata="",
        voice=VoiceAgentOptions(stt=local, llm=local, tts=local),
    )
    async with asyncio.timeout(5):
        with pytest.raises(RoomUnreachable, match="TimeoutError"):
            await job.still_ours(options)
    hung_up.set()
    server.close()
