"""OpenAI's plugins, as the registry builds them, against an emulator of their protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from livekit import rtc
from livekit.agents import llm, tts

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_llm, build_stt, build_tts
from pipeline.providers.local.sphinx import SAMPLE_RATE, recognise
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.openai import OpenAIEmulator
from tests.support.speech import resampled, silence, spoken

QUESTION = "what are your opening hours"
ANSWER = "We are closed on the weekend."
KEY = Secret("sk-of-a-tenant")
OPENAI = "https://api.openai.com/v1/"


@pytest.fixture
async def emulator() -> AsyncIterator[OpenAIEmulator]:
    """Run an emulator with one question and one answer."""
    running = OpenAIEmulator(phrases=[QUESTION], reply=ANSWER)
    async with running.serve():
        yield running
        nothing_foreign(running)


async def test_a_question_is_transcribed_by_the_tenants_server(emulator: OpenAIEmulator) -> None:
    openai_stt = build_stt(
        ProviderOptions("openai", model="whisper-1", language="en", base_url=emulator.url, api_key=KEY)
    )
    assert not openai_stt.capabilities.streaming
    pcm = spoken(QUESTION) + silence(0.5)
    event = await openai_stt.recognize(rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2))
    assert event.alternatives[0].text == QUESTION
    (request,) = emulator.requests
    assert (request.key, request.fields["model"], request.fields["language"]) == ("sk-of-a-tenant", "whisper-1", "en")


async def test_an_answer_is_streamed_from_the_tenants_server(emulator: OpenAIEmulator) -> None:
    options = ProviderOptions(
        "openai",
        model="llama",
        base_url=emulator.url,
        api_key=KEY,
        extra={"temperature": 0.2, "max_completion_tokens": 99},
    )
    openai_llm = build_llm(options)
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    async with openai_llm.chat(chat_ctx=context) as stream:
        words = [chunk.delta.content async for chunk in stream if chunk.delta and chunk.delta.content]
    await openai_llm.aclose()
    assert "".join(words).strip() == ANSWER
    assert len(words) == len(ANSWER.split())
    (request,) = emulator.requests
    assert request.key == "sk-of-a-tenant"
    asked = request.fields
    assert (asked["model"], asked["temperature"], asked["max_completion_tokens"]) == ("llama", 0.2, 99)


async def test_an_answer_is_spoken_by_the_tenants_server(emulator: OpenAIEmulator) -> None:
    options = ProviderOptions(
        "openai", model="kokoro", voice="bella", base_url=emulator.url, api_key=KEY, extra={"speed": 1.0}
    )
    openai_tts = build_tts(options)
    frame = await openai_tts.synthesize(ANSWER).collect()
    await openai_tts.aclose()
    heard = recognise(resampled(frame.data.tobytes(), frame.sample_rate, SAMPLE_RATE), ["we are closed on the weekend"])
    assert heard == ["we are closed on the weekend"]
    (request,) = emulator.requests
    assert request.key == "sk-of-a-tenant"
    asked = request.fields
    assert (asked["model"], asked["voice"], asked["response_format"]) == ("kokoro", "bella", "pcm")


async def test_a_server_without_a_key_does_not_get_the_one_of_the_process(emulator: OpenAIEmulator) -> None:
    openai_llm = build_llm(ProviderOptions("openai", model="llama", base_url=emulator.url))
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    await openai_llm.chat(chat_ctx=context).collect()
    await openai_llm.aclose()
    assert [request.key for request in emulator.requests] == ["none"]


async def test_omitted_options_have_defaults_and_nothing_comes_from_the_environment() -> None:
    built = [build(ProviderOptions("openai", api_key=KEY)) for build in (build_stt, build_llm, build_tts)]
    assert [one.model for one in built] == ["gpt-4o-mini-transcribe", "gpt-4.1-mini", "gpt-4o-mini-tts"]
    for one in built:
        client = vars(one)["_client"]
        assert (client.api_key, str(client.base_url)) == ("sk-of-a-tenant", OPENAI)
        assert one.provider == "api.openai.com"


async def test_the_stt_streams_with_the_realtime_option() -> None:
    openai_stt = build_stt(ProviderOptions("openai", api_key=KEY, extra={"realtime": True}))
    assert openai_stt.capabilities.streaming


async def test_the_tts_takes_a_sentence_at_a_time() -> None:
    openai_tts: tts.TTS[None] = build_tts(ProviderOptions("openai", api_key=KEY))
    assert not openai_tts.capabilities.streaming
    await openai_tts.aclose()
