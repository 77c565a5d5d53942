"""LLM and TTS with fallbacks, over their real protocols: which provider is used, how soon, and what is logged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import APIError, llm, tts

from pipeline.failure_log import FailureLog
from pipeline.options import ProviderOptions, Secret
from pipeline.providers.fallbacks import (
    NO_RETRY,
    RETRY_ONCE,
    TIMEOUT_WITH_FALLBACK_SECONDS,
    llm_with_fallbacks,
    tts_with_fallbacks,
)
from pipeline.providers.local.sphinx import SAMPLE_RATE, recognise
from tests.provider_emulators.anthropic import AnthropicEmulator
from tests.provider_emulators.cartesia import CartesiaEmulator
from tests.provider_emulators.elevenlabs import ElevenlabsEmulator
from tests.provider_emulators.openai import OpenAIEmulator
from tests.provider_emulators.server import Fault
from tests.support.speech import resampled

FIRST, SECOND = "This is the first.", "We are closed on the weekend."
WEEKEND = "we are closed on the weekend"
KEY = Secret("a-key-of-a-tenant")
SLOW_MACHINE_SECONDS = 6.0
BEFORE_AN_ANSWER = [Fault.REFUSED, Fault.BUSY, Fault.BROKEN, Fault.STALL]

pytestmark = pytest.mark.usefixtures("http")


@dataclass
class Emulators:
    """An emulator for each provider."""

    openai: OpenAIEmulator
    anthropic: AnthropicEmulator
    elevenlabs: ElevenlabsEmulator
    cartesia: CartesiaEmulator

    def llms(self) -> ProviderOptions:
        second = ProviderOptions("anthropic", base_url=self.anthropic.url, api_key=KEY)
        return ProviderOptions("openai", model="m", base_url=self.openai.url, api_key=KEY, fallbacks=(second,))

    def tts(self, name: str) -> ProviderOptions:
        """Return options whose first provider has 16 or 24 kHz, and whose second has 24."""
        second = ProviderOptions("cartesia", base_url=self.cartesia.url, api_key=KEY)
        if name == "openai":
            return ProviderOptions(name, model="m", base_url=self.openai.url, api_key=KEY, fallbacks=(second,))
        extra = {"encoding": "pcm_16000"}
        return ProviderOptions(name, base_url=self.elevenlabs.url, api_key=KEY, extra=extra, fallbacks=(second,))


@pytest.fixture
async def emulators() -> AsyncIterator[Emulators]:
    running = Emulators(
        OpenAIEmulator(reply=FIRST), AnthropicEmulator(reply=SECOND), ElevenlabsEmulator(), CartesiaEmulator()
    )
    async with AsyncExitStack() as serving:
        for emulator in (running.openai, running.anthropic, running.elevenlabs, running.cartesia):
            await serving.enter_async_context(emulator.serve())
        yield running


async def timed_answer(model: llm.LLM[Any]) -> tuple[str, float]:
    """Return the answer, and the seconds until its first word."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    asked_at, started_at, words = time.monotonic(), 0.0, ""
    async with model.chat(chat_ctx=context, conn_options=NO_RETRY) as stream:
        async for chunk in stream:
            if chunk.delta and chunk.delta.content:
                started_at = started_at or time.monotonic()
                words += chunk.delta.content
    return words.strip(), started_at - asked_at


async def spoken_words(speech: tts.TTS[Any]) -> str:
    """Return what is recognised of a sentence that it speaks."""
    async with speech.stream(conn_options=NO_RETRY) as stream:
        stream.push_text(SECOND)
        stream.end_input()
        frame = rtc.combine_audio_frames([audio.frame async for audio in stream])
    pcm = resampled(frame.data.tobytes(), frame.sample_rate, SAMPLE_RATE)
    return " ".join(await asyncio.to_thread(recognise, pcm, [WEEKEND]))


@pytest.mark.parametrize("fault", BEFORE_AN_ANSWER)
async def test_the_fallback_answers_in_time(fault: Fault, emulators: Emulators) -> None:
    emulators.openai.fault = fault
    failures = FailureLog()
    words, seconds = await timed_answer(llm_with_fallbacks(emulators.llms(), failures))
    assert words == SECOND
    assert seconds < TIMEOUT_WITH_FALLBACK_SECONDS + SLOW_MACHINE_SECONDS
    assert [(record["type"], record["provider"]) for record in failures.records()] == [
        ("provider_failure", "openai"),
        ("provider_fallback", "openai"),
    ]


async def test_an_answer_that_breaks_off_is_not_begun_again(emulators: Emulators) -> None:
    emulators.openai.fault = Fault.CUT
    with pytest.raises(APIError):
        await timed_answer(llm_with_fallbacks(emulators.llms(), FailureLog()))
    assert emulators.anthropic.requests == []


async def test_a_provider_that_works_again_is_used_again(emulators: Emulators) -> None:
    emulators.openai.fault = Fault.BROKEN
    model = llm_with_fallbacks(emulators.llms(), FailureLog())
    back = asyncio.Event()
    model.on("llm_availability_changed", lambda event: back.set() if event.available else None)
    assert (await timed_answer(model))[0] == SECOND
    emulators.openai.fault = None
    # The fallback answers the next request, which is also sent to this one.
    await timed_answer(model)
    async with asyncio.timeout(10):
        await back.wait()
    assert (await timed_answer(model))[0] == FIRST


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("name", ["elevenlabs", "openai"])
async def test_the_fallback_speaks_the_same_sentence(name: str, fault: Fault, emulators: Emulators) -> None:
    emulators.elevenlabs.fault = emulators.openai.fault = fault
    failures = FailureLog()
    speech = tts_with_fallbacks(emulators.tts(name), failures)
    assert speech.sample_rate == 24000
    asked = time.monotonic()
    assert await spoken_words(speech) == WEEKEND
    assert time.monotonic() - asked < TIMEOUT_WITH_FALLBACK_SECONDS + SLOW_MACHINE_SECONDS
    assert failures.records()[0]["provider"] == name
    assert failures.left == {("tts", name): 1}
    await speech.aclose()


@pytest.mark.parametrize("fault", list(Fault))
async def test_without_a_fallback_the_second_try_is_the_last(fault: Fault, emulators: Emulators) -> None:
    emulators.openai.fault = fault
    options = ProviderOptions("openai", model="m", base_url=emulators.openai.url, api_key=KEY)
    failures = FailureLog()
    model = llm_with_fallbacks(options, failures)
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    with pytest.raises(APIError):
        await model.chat(chat_ctx=context, conn_options=RETRY_ONCE).collect()
    # A refusal is final, and after a part of an answer there is no second try.
    tries = 1 if fault in {Fault.REFUSED, Fault.CUT} else 2
    assert (len(emulators.openai.requests), sum(failures.counted.values())) == (tries, tries)
    assert failures.all_refused("llm", 1) is (fault is Fault.REFUSED)
