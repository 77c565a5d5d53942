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
from tests.support.speech import resampled

STORY = default_script().answer(["tell me a long story"])


@pytest.fixture
def local_tts() -> tts.TTS[None]:
    return build_tts(ProviderOptions("local"))


def understood(frames: list[rtc.AudioFrame], text: str) -> list[str]:
    frame = rtc.combine_audio_frames(frames)
    return recognise(resampled(frame.data.tobytes(), frame.sample_rate, SAMPLE_RATE), spoken_sentences([text]))


async def streamed(local_tts: tts.TTS[None], tokens: list[str]) -> list[tts.SynthesizedAudio]:
    async with local_tts.stream() as stream:
        for token in tokens:
            stream.push_text(token)
        stream.end_input()
        return [audio async for audio in stream]


async def test_a_streamed_answer_is_spoken_sentence_by_sentence(local_tts: tts.TTS[None]) -> None:
    text = "Yes, we have a parking garage. It is behind our building. Thank you for calling."
    audio = await streamed(local_tts, [f"{word} " for word in text.split()])
    assert understood([chunk.frame for chunk in audio], text) == spoken_sentences([text])
    assert [chunk.is_final for chunk in audio].count(True) == 1
    assert audio[-1].is_final


async def test_the_first_sentence_is_spoken_before_the_second_is_written(local_tts: tts.TTS[None]) -> None:
    async with local_tts.stream() as stream, asyncio.timeout(5):
        stream.push_text("We are closed on the weekend. And ")
        assert (await anext(stream)).frame.duration > 0


async def test_a_text_is_spoken_as_a_whole(local_tts: tts.TTS[None]) -> None:
    text = "You can ask me for our opening hours."
    frame = await local_tts.synthesize(text).collect()
    assert understood([frame], text) == spoken_sentences([text])


@pytest.mark.parametrize("text", ["", " ", "\n"])
async def test_an_empty_text_makes_no_audio(local_tts: tts.TTS[None], text: str) -> None:
    assert await streamed(local_tts, [text]) == []


async def test_a_cancelled_stream_frees_the_library_for_the_next_one(local_tts: tts.TTS[None]) -> None:
    for _ in range(5):
        stream = local_tts.stream()
        stream.push_text(STORY * 20)
        stream.end_input()
        await anext(stream)
        async with asyncio.timeout(1):
            await stream.aclose()
    frame = await local_tts.synthesize("Thank you.").collect()
    assert 0.3 < frame.duration < 1.5


async def test_two_texts_at_the_same_time_are_not_mixed_up(local_tts: tts.TTS[None]) -> None:
    texts = ["We are closed on the weekend.", "You have not told me your name yet."]
    frames = await asyncio.gather(*(local_tts.synthesize(text).collect() for text in texts))
    for text, frame in zip(texts, frames, strict=True):
        assert understood([frame], text) == spoken_sentences([text])


async def test_voice_and_speed_are_the_tenants() -> None:
    plain = build_tts(ProviderOptions("local"))
    slow = build_tts(ProviderOptions("local", voice="en-us+f3", extra={"speed": 100}))
    text = "You can ask me for our opening hours."
    lengths = [(await local_tts.synthesize(text).collect()).duration for local_tts in (plain, slow)]
    assert lengths[1] > 1.4 * lengths[0]
    assert slow.model == "espeak-ng/en-us+f3"


@pytest.mark.parametrize(("language", "model"), [("de-DE", "espeak-ng/de"), ("en-US", "espeak-ng/en-us")])
def test_a_language_chooses_a_voice(language: str, model: str) -> None:
    assert build_tts(ProviderOptions("local", language=language)).model == model


def test_it_names_itself_for_metrics(local_tts: tts.TTS[None]) -> None:
    assert (local_tts.provider, local_tts.model) == ("local", "espeak-ng/en-us")
    assert local_tts.capabilities.streaming
    assert (local_tts.sample_rate, local_tts.num_channels) == (22050, 1)
