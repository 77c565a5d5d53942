"""The local STT, used as a session uses it."""

from __future__ import annotations

import asyncio
import time

import pytest
from livekit import rtc
from livekit.agents import stt
from livekit.agents.stt import SpeechEventType

from pipeline.options import ProviderOptions
from pipeline.providers import build_stt
from pipeline.providers.local.script import default_script
from pipeline.providers.local.sphinx import SAMPLE_RATE
from tests.integration.pipeline.providers.live import finals, frames, recognised, texts
from tests.support.speech import resampled, silence, spoken

QUESTION = "what are your opening hours"
# The sample rate at which livekit-agents passes on a room's audio.
ROOM_RATE = 24000


@pytest.fixture
def local_stt() -> stt.STT[None]:
    return build_stt(ProviderOptions("local"))


@pytest.mark.parametrize("phrase", default_script().phrases)
async def test_each_phrase_of_the_default_script_is_recognised_exactly(local_stt: stt.STT[None], phrase: str) -> None:
    pcm = resampled(spoken(phrase), SAMPLE_RATE, ROOM_RATE)
    assert finals(await recognised(local_stt, pcm + silence(1, ROOM_RATE), ROOM_RATE)) == [phrase]


async def test_the_events_of_an_utterance_come_in_order(local_stt: stt.STT[None]) -> None:
    events = await recognised(local_stt, silence(1) + spoken(QUESTION) + silence(1))
    kinds = [event.type for event in events if event.type is not SpeechEventType.INTERIM_TRANSCRIPT]
    assert kinds == [
        SpeechEventType.START_OF_SPEECH,
        SpeechEventType.FINAL_TRANSCRIPT,
        SpeechEventType.END_OF_SPEECH,
        SpeechEventType.RECOGNITION_USAGE,
        SpeechEventType.RECOGNITION_USAGE,
    ]
    assert len({event.request_id for event in events}) == 1
    interims = texts(events, SpeechEventType.INTERIM_TRANSCRIPT)
    assert interims
    assert all(QUESTION.startswith(interim) for interim in interims)


async def test_a_transcript_has_its_times_and_usage_counts_all_audio(local_stt: stt.STT[None]) -> None:
    pcm = silence(2) + spoken(QUESTION) + silence(1)
    events = await recognised(local_stt, pcm)
    said = next(event for event in events if event.type is SpeechEventType.FINAL_TRANSCRIPT).alternatives[0]
    length = len(spoken(QUESTION)) / 2 / SAMPLE_RATE
    assert said.start_time == pytest.approx(2.2, abs=0.3)
    assert said.end_time == pytest.approx(2 + length - 0.2, abs=0.2)
    usage = sum(event.recognition_usage.audio_duration for event in events if event.recognition_usage)
    assert usage == pytest.approx(len(pcm) / 2 / SAMPLE_RATE, abs=0.05)


async def test_two_utterances_have_two_transcripts(local_stt: stt.STT[None]) -> None:
    events = await recognised(local_stt, spoken("goodbye") + silence(1) + spoken(QUESTION) + silence(1))
    assert finals(events) == ["goodbye", QUESTION]


async def test_a_pause_within_a_phrase_does_not_end_it(local_stt: stt.STT[None]) -> None:
    # "what are your" would not do: it is too close to "where are you".
    events = await recognised(local_stt, spoken("can i") + spoken("park there") + silence(1))
    assert finals(events) == ["can i park there"]


async def test_speech_that_is_no_phrase_starts_and_ends_without_a_transcript(local_stt: stt.STT[None]) -> None:
    events = await recognised(local_stt, spoken("i would like to order two large pizzas with mushrooms") + silence(1))
    assert finals(events) == []
    kinds = {event.type for event in events}
    assert {SpeechEventType.START_OF_SPEECH, SpeechEventType.END_OF_SPEECH} <= kinds


async def test_a_flush_ends_the_utterance_at_once(local_stt: stt.STT[None]) -> None:
    async with local_stt.stream() as stream:
        for frame in frames(spoken(QUESTION)):
            stream.push_frame(frame)
        stream.flush()
        async for event in stream:
            if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                assert event.alternatives[0].text == QUESTION
                return
    pytest.fail("the stream ended without a final transcript")


async def test_the_event_loop_continues_during_recognition(local_stt: stt.STT[None]) -> None:
    turns = 0
    over = asyncio.Event()

    async def turn() -> None:
        nonlocal turns
        while not over.is_set():
            await asyncio.sleep(0.001)
            turns += 1

    turning = asyncio.create_task(turn())
    began = time.perf_counter()
    await recognised(local_stt, spoken("tell me a long story") + silence(1))
    elapsed = time.perf_counter() - began
    over.set()
    await turning
    # FallbackSTT this takes more than 0.1 s. In the loop, it would leave no more than a turn for each frame.
    assert turns > elapsed / 0.001 / 10


async def test_a_whole_recording_is_recognised_without_a_stream(local_stt: stt.STT[None]) -> None:
    pcm = spoken(QUESTION) + silence(1)
    frame = rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)
    event = await local_stt.recognize(frame)
    assert event.alternatives[0].text == QUESTION


async def test_only_a_tenants_own_phrases_are_recognised() -> None:
    local_stt = build_stt(ProviderOptions("local", extra={"phrases": ["two (coffees|teas) please"]}))
    assert finals(await recognised(local_stt, spoken("two teas please") + silence(1))) == ["two teas please"]
    assert finals(await recognised(local_stt, spoken(QUESTION) + silence(1))) == []


async def test_a_stream_that_is_closed_in_the_middle_ends(local_stt: stt.STT[None]) -> None:
    stream = local_stt.stream()
    for frame in frames(spoken(QUESTION)):
        stream.push_frame(frame)
    await stream.aclose()
    with pytest.raises(RuntimeError):
        stream.push_frame(next(frames(silence(1))))


def test_it_names_itself_for_metrics(local_stt: stt.STT[None]) -> None:
    assert (local_stt.provider, local_stt.model) == ("local", "pocketsphinx")
    assert local_stt.capabilities.streaming
    assert local_stt.capabilities.interim_results
