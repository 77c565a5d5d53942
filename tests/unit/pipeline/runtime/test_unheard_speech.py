"""An agent whose speech is interrupted before a caller listens is heard afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from livekit import rtc
from livekit.agents.voice.room_io._output import _ParticipantAudioOutput

from pipeline.runtime import unheard_speech

RATE = 24000
FRAME = rtc.AudioFrame(bytes(RATE // 50 * 2), RATE, 1, RATE // 50)


@pytest_asyncio.fixture
async def output(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_ParticipantAudioOutput]:
    # So that the method of livekit-agents is there again after the test.
    monkeypatch.setattr(_ParticipantAudioOutput, "capture_frame", _ParticipantAudioOutput.capture_frame)
    unheard_speech.outlive_interruptions()
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    made = _ParticipantAudioOutput(rtc.Room(), sample_rate=RATE, num_channels=1, track_publish_options=options)
    yield made
    await made.aclose()


async def test_the_next_reply_is_played_once_a_caller_listens(output: _ParticipantAudioOutput) -> None:
    speaking = asyncio.create_task(output.capture_frame(FRAME))
    await asyncio.sleep(0)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    reply = asyncio.create_task(output.capture_frame(FRAME))
    await asyncio.sleep(0)
    assert (reply.done(), output.subscribed.done()) == (False, False)
    output.subscribed.set_result(None)
    await asyncio.wait_for(reply, 5)
