"""The local TTS, used as a session uses it."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc
from livekit.agents import tts

from pipeline.options import ProviderOptions
from pipeline.providers import build_tts
from pipeline.providers.local.script import default_script, spoken_sentences
from pipeline.providers.local.sphinx import SAMPLE_RATE, recognise
from tests.unit.pipeline.providers.speech import resampled

STORY = default_script().answer(["tell me a long story"])


@pytest.fixture
def voice() -> tts.TTS[None]:
    return build_tts(ProviderOptions("local"))


def understood(frames: list[rtc.AudioFrame], text: str) -> list[str]:
    frame = rtc.combine_audio_frames(frames)
    return recognise(resampled(frame.data.tobytes(), frame.sample_rate, SAMPLE_RATE), spoken_sentences([text]))


async def streamed(voice: tts.TTS[None], tokens: list[str]) -> list[tts.SynthesizedAudio]:
    async with voice.stream() as stream:
        for token in tokens:
            stream.push_text(token)
        stream.end_input()
        return [audio async for audio in stream]


async def test_a_streamed_answer_is_spoken_sentence_by_sentence(voice: tts.TTS[None]) -> None:
    text = "Yes, we have a parking garage. It is behind our building. Thank you for calling."
    audio = await streamed(voice, [f"{word} " for word in text.split()])
    assert understood([chunk.frame for chunk in audio], text) == spoken_sentences([text])
    assert [chunk.is_final for chunk in audio].count(True) == 1
    assert audio[-1].is_final


async def test_the_first_sentence_is_spoken_before_the_second_is_written(voice: tts.TTS[None]) -> None:
    async with voice.stream() as stream, asyncio.timeout(5):
        stream.push_text("We are closed on the weekend. And ")
        assert (await anext(stream)).frame.duration > 0


async def test_a_text_is_spoken_as_a_whole(voice: tts.TTS[None]) -> None:
    text = "You can ask me for our opening hours."
    frame = await voice.synthesize(text).collect()
    assert understood([frame], text) == spoken_sentences([text])


@pytest.mark.parametrize("text", ["", " ", "\n"])
async def test_of_nothing_nothing_is_spoken(voice: tts.TTS[None], text: str) -> None:
    assert await streamed(voice, [text]) == []


async def test_a_voice_that_is_cancelled_is_free_for_the_next_speaker(voice: tts.TTS[None]) -> None:
    for _ in range(5):
        stream = voice.stream()
        stream.push_text(STORY * 20)
        stream.end_input()
        await anext(stream)
        async with asyncio.timeout(1):
            await stream.aclose()
    frame = await voice.synthesize("Thank you.").collect()
    assert 0.3 < frame.duration < 1.5


async def test_two_who_speak_at_the_same_time_are_not_mixed_up(voice: tts.TTS[None]) -> None:
    texts = ["We are closed on the weekend.", "You have not told me your name yet."]
    frames = await asyncio.gather(*(voice.synthesize(text).collect() for text in texts))
    for text, frame in zip(texts, frames, strict=True):
        assert understood([frame], text) == spoken_sentences([text])


async def test_voice_and_speed_are_the_tenants() -> None:
    plain = build_tts(ProviderOptions("local"))
    slow = build_tts(ProviderOptions("local", voice="en-us+f3", extra={"speed": 100}))
    text = "You can ask me for our opening hours."
    lengths = [(await voice.synthesize(text).collect()).duration for voice in (plain, slow)]
    assert lengths[1] > 1.4 * lengths[0]
    assert slow.model == "espeak-ng/en-us+f3"


@pytest.mark.parametrize(("language", "model"), [("de-DE", "espeak-ng/de"), ("en-US", "espeak-ng/en-us")])
def test_a_language_chooses_a_voice(language: str, model: str) -> None:
    assert build_tts(ProviderOptions("local", language=language)).model == model


def test_it_says_what_it_is(voice: tts.TTS[None]) -> None:
    assert (voice.provider, voice.model) == ("local", "espeak-ng/en-us")
    assert voice.capabilities.streaming
    assert (voice.sample_rate, voice.num_channels) == (22050, 1)
