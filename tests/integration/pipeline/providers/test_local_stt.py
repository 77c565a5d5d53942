"""The local STT, fed as a call feeds it."""

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
from tests.integration.pipeline.providers.live import finals, frames, heard, texts
from tests.unit.pipeline.providers.speech import resampled, silence, spoken

QUESTION = "what are your opening hours"
# Of a room's audio, as livekit-agents hands it on.
ROOM_RATE = 24000


@pytest.fixture
def ears() -> stt.STT[None]:
    return build_stt(ProviderOptions("local"))


@pytest.mark.parametrize("phrase", default_script().phrases)
async def test_each_phrase_of_the_default_script_is_heard_exactly(ears: stt.STT[None], phrase: str) -> None:
    pcm = resampled(spoken(phrase), SAMPLE_RATE, ROOM_RATE)
    assert finals(await heard(ears, pcm + silence(1, ROOM_RATE), ROOM_RATE)) == [phrase]


async def test_the_events_of_an_utterance_come_in_order(ears: stt.STT[None]) -> None:
    events = await heard(ears, silence(1) + spoken(QUESTION) + silence(1))
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


async def test_an_utterance_is_placed_in_time_and_all_audio_is_accounted_for(ears: stt.STT[None]) -> None:
    pcm = silence(2) + spoken(QUESTION) + silence(1)
    events = await heard(ears, pcm)
    said = next(event for event in events if event.type is SpeechEventType.FINAL_TRANSCRIPT).alternatives[0]
    length = len(spoken(QUESTION)) / 2 / SAMPLE_RATE
    assert said.start_time == pytest.approx(2.2, abs=0.3)
    assert said.end_time == pytest.approx(2 + length - 0.2, abs=0.2)
    usage = sum(event.recognition_usage.audio_duration for event in events if event.recognition_usage)
    assert usage == pytest.approx(len(pcm) / 2 / SAMPLE_RATE, abs=0.05)


async def test_two_utterances_are_two(ears: stt.STT[None]) -> None:
    events = await heard(ears, spoken("goodbye") + silence(1) + spoken(QUESTION) + silence(1))
    assert finals(events) == ["goodbye", QUESTION]


async def test_somebody_who_stops_to_think_is_waited_for(ears: stt.STT[None]) -> None:
    # "what are your" would not do: it is too close to "where are you".
    events = await heard(ears, spoken("can i") + spoken("park there") + silence(1))
    assert finals(events) == ["can i park there"]


async def test_what_is_no_phrase_begins_and_ends_and_says_nothing(ears: stt.STT[None]) -> None:
    events = await heard(ears, spoken("i would like to order two large pizzas with mushrooms") + silence(1))
    assert finals(events) == []
    kinds = {event.type for event in events}
    assert {SpeechEventType.START_OF_SPEECH, SpeechEventType.END_OF_SPEECH} <= kinds


async def test_a_flush_ends_the_utterance_at_once(ears: stt.STT[None]) -> None:
    async with ears.stream() as stream:
        for frame in frames(spoken(QUESTION)):
            stream.push_frame(frame)
        stream.flush()
        async for event in stream:
            if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                assert event.alternatives[0].text == QUESTION
                return
    pytest.fail("the stream ended without a final transcript")


async def test_the_event_loop_goes_on_while_an_utterance_is_heard(ears: stt.STT[None]) -> None:
    turns = 0
    over = asyncio.Event()

    async def turn() -> None:
        nonlocal turns
        while not over.is_set():
            await asyncio.sleep(0.001)
            turns += 1

    turning = asyncio.create_task(turn())
    began = time.perf_counter()
    await heard(ears, spoken("tell me a long story") + silence(1))
    elapsed = time.perf_counter() - began
    over.set()
    await turning
    # Hearing this takes more than 0.1 s. In the loop, it would leave no more than a turn for each frame.
    assert turns > elapsed / 0.001 / 10


async def test_a_whole_recording_is_recognised_without_a_stream(ears: stt.STT[None]) -> None:
    pcm = spoken(QUESTION) + silence(1)
    frame = rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)
    event = await ears.recognize(frame)
    assert event.alternatives[0].text == QUESTION


async def test_a_tenants_own_phrases_are_heard_and_no_others() -> None:
    ears = build_stt(ProviderOptions("local", extra={"phrases": ["two (coffees|teas) please"]}))
    assert finals(await heard(ears, spoken("two teas please") + silence(1))) == ["two teas please"]
    assert finals(await heard(ears, spoken(QUESTION) + silence(1))) == []


async def test_a_stream_that_is_closed_in_the_middle_ends(ears: stt.STT[None]) -> None:
    stream = ears.stream()
    for frame in frames(spoken(QUESTION)):
        stream.push_frame(frame)
    await stream.aclose()
    with pytest.raises(RuntimeError):
        stream.push_frame(next(frames(silence(1))))


def test_it_says_what_it_is(ears: stt.STT[None]) -> None:
    assert (ears.provider, ears.model) == ("local", "pocketsphinx")
    assert ears.capabilities.streaming
    assert ears.capabilities.interim_results
