"""What makes the first word come soon, and that it is not spoken before somebody listens."""

from __future__ import annotations

import asyncio
import re

import numpy as np
from livekit import api, rtc
from livekit.protocol.models import ParticipantInfo

from ops.caller.caller import RATE, caller_token
from ops.caller.recording import is_audible
from pipeline.runtime.audio_output import PUBLISH_AFTER_SECONDS
from tests.acceptance.installation import Installation
from tests.acceptance.speech import GREETING, QUIET_SECONDS, understood, words_from
from tests.support.waiting import until

RECORDED_SECONDS = 1.5
CLOCKS_MS = 2
"""One moment is of the wall clock, the other one of the monotonic clock, and both are rounded."""


async def agents(running: Installation, room: str) -> list[ParticipantInfo]:
    livekit = running.stack.livekit
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        listed = await server.room.list_participants(api.ListParticipantsRequest(room=room))
    return [person for person in listed.participants if person.kind == ParticipantInfo.Kind.AGENT]


async def make_room(running: Installation) -> str:
    """As a backend does before it lets the caller in."""
    name = running.room_name("acme")
    livekit = running.stack.livekit
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        await server.room.create_room(api.CreateRoomRequest(name=name))
    return name


async def speaking_place(running: Installation, room: str) -> None:
    """Wait until an agent is in the room whose track is there."""

    async def there() -> bool:
        return any(agent.tracks for agent in await agents(running, room))

    await until(there, 20)


async def test_in_a_room_that_was_made_ahead_the_agent_has_its_track_before_the_caller_comes(
    running: Installation,
) -> None:
    name = await make_room(running)
    await speaking_place(running, name)
    async with running.call("acme", room=name) as caller:
        assert await words_from(caller, 0) == GREETING
    await running.delete_room(name)


async def test_a_recorder_that_is_there_first_is_not_greeted_and_the_caller_is_from_the_first_word_on(
    running: Installation,
) -> None:
    name = await make_room(running)
    await speaking_place(running, name)
    livekit = running.stack.livekit
    token = (
        api.AccessToken(livekit.api_key, livekit.api_secret)
        .with_identity("recorder")
        .with_kind("egress")
        .with_grants(api.VideoGrants(room_join=True, room=name, can_publish=False, hidden=True, recorder=True))
        .to_jwt()
    )
    recorder, recorded = rtc.Room(), asyncio.Event()
    heard: list[bool] = []

    async def listen(track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=16000, num_channels=1, frame_size_ms=50)
        async for event in stream:
            heard.append(is_audible(np.frombuffer(event.frame.data, dtype=np.int16)))
            if len(heard) * 0.05 >= RECORDED_SECONDS:
                recorded.set()
        await stream.aclose()

    listening: list[asyncio.Task[None]] = []
    recorder.on("track_subscribed", lambda track, *_: listening.append(asyncio.create_task(listen(track))))
    await recorder.connect(livekit.url, token)
    try:
        await asyncio.wait_for(recorded.wait(), 20)
        assert not any(heard)
        async with running.call("acme", room=name) as caller:
            await caller.wait_for_answer(0, quiet_seconds=QUIET_SECONDS, timeout_seconds=20)
            assert await understood(caller.listener.render(caller.clock.now())) == GREETING
    finally:
        await recorder.disconnect()
        await asyncio.gather(*listening)
    await running.delete_room(name)


async def test_a_caller_whose_microphone_comes_late_reads_the_greeting_from_its_first_word(
    running: Installation,
) -> None:
    # As in a browser that asks for the microphone. An agent that is there first sees a caller with the caller's track.
    livekit = running.stack.livekit
    name = await make_room(running)
    await speaking_place(running, name)
    caller = rtc.Room()
    lines: dict[str, str] = {}
    reading: list[asyncio.Task[None]] = []
    begun, over = asyncio.Event(), asyncio.Event()

    async def read(reader: rtc.TextStreamReader) -> None:
        async for text in reader:
            lines[reader.info.stream_id] = lines.get(reader.info.stream_id, "") + text
            begun.set()
        over.set()

    caller.register_text_stream_handler(
        "lk.transcription", lambda reader, _: reading.append(asyncio.create_task(read(reader)))
    )
    await caller.connect(livekit.url, caller_token(livekit.api_key, livekit.api_secret, room=name, identity="late"))
    try:
        await asyncio.wait_for(begun.wait(), 20)
        # Amid the sentence: the agent sees the caller from now on.
        microphone = rtc.LocalAudioTrack.create_audio_track("microphone", rtc.AudioSource(RATE, 1))
        await caller.local_participant.publish_track(microphone)
        await asyncio.wait_for(over.wait(), 20)
    finally:
        await caller.disconnect()
        await asyncio.gather(*reading)
    (line,) = lines.values()
    assert re.sub(r"[^a-z ]", "", line.lower()) == GREETING
    await running.delete_room(name)


async def test_a_call_that_begins_with_its_room_is_seen_at_once_and_nobody_is_told_of_its_track_too_soon(
    running: Installation,
) -> None:
    async with running.call("acme") as caller:
        await caller.wait_for_agent(20)
        agent = next(iter(caller.room.remote_participants.values()))
        assert agent.attributes["lk.agent.state"] in {"initializing", "listening"}
        await caller.wait_for_answer(0, quiet_seconds=QUIET_SECONDS, timeout_seconds=20)
        room = await running.reaches(caller.room_sid, lambda room: "first_audio" in room.steps_ms)
        assert room.steps_ms["first_audio"] - room.arrived_us / 1000 > PUBLISH_AFTER_SECONDS * 1000 - CLOCKS_MS
