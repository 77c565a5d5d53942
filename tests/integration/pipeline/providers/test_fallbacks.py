"""Models and voices with fallbacks, over their real protocols: who is asked next, how soon, and what is known of it."""

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

from pipeline.options import ProviderOptions, Secret
from pipeline.providers.fallbacks import ALONE, FALLBACK_SECONDS, WITH_FALLBACKS, Failures, llm_chain, tts_chain
from pipeline.providers.local.sphinx import SAMPLE_RATE, recognise
from tests.provider_emulators.anthropic import AnthropicServer
from tests.provider_emulators.cartesia import CartesiaServer
from tests.provider_emulators.elevenlabs import ElevenlabsServer
from tests.provider_emulators.openai import OpenAIServer
from tests.provider_emulators.server import Fault
from tests.unit.pipeline.providers.speech import resampled

FIRST, SECOND = "This is the first.", "We are closed on the weekend."
WEEKEND = "we are closed on the weekend"
KEY = Secret("a-key-of-a-tenant")
SLOW_MACHINE_SECONDS = 6.0
BEFORE_AN_ANSWER = [Fault.REFUSED, Fault.BUSY, Fault.BROKEN, Fault.STALL]

pytestmark = [
    pytest.mark.usefixtures("collected", "http"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]


@dataclass
class Clouds:
    """All of them."""

    openai: OpenAIServer
    anthropic: AnthropicServer
    elevenlabs: ElevenlabsServer
    cartesia: CartesiaServer

    def minds(self) -> ProviderOptions:
        second = ProviderOptions("anthropic", base_url=self.anthropic.url, api_key=KEY)
        return ProviderOptions("openai", model="m", base_url=self.openai.url, api_key=KEY, fallbacks=(second,))

    def voices(self, name: str) -> ProviderOptions:
        """The first at 16 kHz or 24, the second at 24."""
        second = ProviderOptions("cartesia", base_url=self.cartesia.url, api_key=KEY)
        if name == "openai":
            return ProviderOptions(name, model="m", base_url=self.openai.url, api_key=KEY, fallbacks=(second,))
        extra = {"encoding": "pcm_16000"}
        return ProviderOptions(name, base_url=self.elevenlabs.url, api_key=KEY, extra=extra, fallbacks=(second,))


@pytest.fixture
async def clouds() -> AsyncIterator[Clouds]:
    there = Clouds(OpenAIServer(reply=FIRST), AnthropicServer(reply=SECOND), ElevenlabsServer(), CartesiaServer())
    async with AsyncExitStack() as serving:
        for server in (there.openai, there.anthropic, there.elevenlabs, there.cartesia):
            await serving.enter_async_context(server.serve())
        yield there


async def answered(mind: llm.LLM[Any]) -> tuple[str, float]:
    """What it answers, and how many seconds it took to begin."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    asked, began, words = time.monotonic(), 0.0, ""
    async with mind.chat(chat_ctx=context, conn_options=WITH_FALLBACKS) as stream:
        async for chunk in stream:
            if chunk.delta and chunk.delta.content:
                began = began or time.monotonic()
                words += chunk.delta.content
    return words.strip(), began - asked


async def heard(voice: tts.TTS[Any]) -> str:
    """What is understood of a sentence that it speaks."""
    async with voice.stream(conn_options=WITH_FALLBACKS) as stream:
        stream.push_text(SECOND)
        stream.end_input()
        frame = rtc.combine_audio_frames([audio.frame async for audio in stream])
    pcm = resampled(frame.data.tobytes(), frame.sample_rate, SAMPLE_RATE)
    return " ".join(await asyncio.to_thread(recognise, pcm, [WEEKEND]))


@pytest.mark.parametrize("fault", BEFORE_AN_ANSWER)
async def test_another_mind_answers_in_time(fault: Fault, clouds: Clouds) -> None:
    clouds.openai.fault = fault
    failures = Failures()
    words, seconds = await answered(llm_chain(clouds.minds(), failures))
    assert words == SECOND
    assert seconds < FALLBACK_SECONDS + SLOW_MACHINE_SECONDS
    assert [record["provider"] for record in failures.records()] == ["openai"]


async def test_an_answer_that_breaks_off_is_not_begun_again(clouds: Clouds) -> None:
    clouds.openai.fault = Fault.CUT
    with pytest.raises(APIError):
        await answered(llm_chain(clouds.minds(), Failures()))
    assert clouds.anthropic.requests == []


async def test_a_mind_that_works_again_is_the_first_again(clouds: Clouds) -> None:
    clouds.openai.fault = Fault.BROKEN
    mind = llm_chain(clouds.minds(), Failures())
    back = asyncio.Event()
    mind.on("llm_availability_changed", lambda event: back.set() if event.available else None)
    assert (await answered(mind))[0] == SECOND
    clouds.openai.fault = None
    # The next request is answered by the other one, and asks this one, too.
    await answered(mind)
    async with asyncio.timeout(10):
        await back.wait()
    assert (await answered(mind))[0] == FIRST


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("name", ["elevenlabs", "openai"])
async def test_another_voice_speaks_the_same_sentence(name: str, fault: Fault, clouds: Clouds) -> None:
    clouds.elevenlabs.fault = clouds.openai.fault = fault
    failures = Failures()
    voice = tts_chain(clouds.voices(name), failures)
    assert voice.sample_rate == 24000
    asked = time.monotonic()
    assert await heard(voice) == WEEKEND
    assert time.monotonic() - asked < FALLBACK_SECONDS + SLOW_MACHINE_SECONDS
    assert failures.records()[0]["provider"] == name
    await voice.aclose()


@pytest.mark.parametrize("fault", list(Fault))
async def test_without_a_fallback_the_session_is_told_after_a_second_try(fault: Fault, clouds: Clouds) -> None:
    clouds.openai.fault = fault
    options = ProviderOptions("openai", model="m", base_url=clouds.openai.url, api_key=KEY)
    failures = Failures()
    mind = llm_chain(options, failures)
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    with pytest.raises(APIError):
        await mind.chat(chat_ctx=context, conn_options=ALONE).collect()
    # Of a refusal nothing else can come, and a part of an answer has been heard already.
    tries = 1 if fault in {Fault.REFUSED, Fault.CUT} else 2
    assert (len(clouds.openai.requests), sum(failures.counted.values())) == (tries, tries)
    assert failures.all_refused("llm", 1) is (fault is Fault.REFUSED)
