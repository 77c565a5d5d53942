"""OpenAI's plugins, as the registry builds them, against their own protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from livekit import rtc
from livekit.agents import llm, tts

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_llm, build_stt, build_tts
from pipeline.providers.local.sphinx import SAMPLE_RATE, recognise
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.openai import OpenAIServer
from tests.unit.pipeline.providers.speech import resampled, silence, spoken

QUESTION = "what are your opening hours"
ANSWER = "We are closed on the weekend."
KEY = Secret("sk-of-a-tenant")
OPENAI = "https://api.openai.com/v1/"


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """Knows one question and one answer."""
    openai = OpenAIServer(phrases=[QUESTION], reply=ANSWER)
    async with openai.serve():
        yield openai
        nothing_foreign(openai)


async def test_a_question_is_transcribed_by_the_tenants_server(server: OpenAIServer) -> None:
    ears = build_stt(ProviderOptions("openai", model="whisper-1", language="en", base_url=server.url, api_key=KEY))
    assert not ears.capabilities.streaming
    pcm = spoken(QUESTION) + silence(0.5)
    event = await ears.recognize(rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2))
    # The plugin leaves its client open, which ends with the call's process.
    await vars(ears)["_client"].close()
    assert event.alternatives[0].text == QUESTION
    (request,) = server.requests
    assert (request.key, request.fields["model"], request.fields["language"]) == ("sk-of-a-tenant", "whisper-1", "en")


async def test_an_answer_is_streamed_from_the_tenants_server(server: OpenAIServer) -> None:
    options = ProviderOptions(
        "openai",
        model="llama",
        base_url=server.url,
        api_key=KEY,
        extra={"temperature": 0.2, "max_completion_tokens": 99},
    )
    mind = build_llm(options)
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    async with mind.chat(chat_ctx=context) as stream:
        words = [chunk.delta.content async for chunk in stream if chunk.delta and chunk.delta.content]
    await mind.aclose()
    assert "".join(words).strip() == ANSWER
    assert len(words) == len(ANSWER.split())
    (request,) = server.requests
    assert request.key == "sk-of-a-tenant"
    asked = request.fields
    assert (asked["model"], asked["temperature"], asked["max_completion_tokens"]) == ("llama", 0.2, 99)


async def test_an_answer_is_spoken_by_the_tenants_server(server: OpenAIServer) -> None:
    options = ProviderOptions(
        "openai", model="kokoro", voice="bella", base_url=server.url, api_key=KEY, extra={"speed": 1.0}
    )
    voice = build_tts(options)
    frame = await voice.synthesize(ANSWER).collect()
    await voice.aclose()
    heard = recognise(resampled(frame.data.tobytes(), frame.sample_rate, SAMPLE_RATE), ["we are closed on the weekend"])
    assert heard == ["we are closed on the weekend"]
    (request,) = server.requests
    assert request.key == "sk-of-a-tenant"
    asked = request.fields
    assert (asked["model"], asked["voice"], asked["response_format"]) == ("kokoro", "bella", "pcm")


async def test_a_server_that_asks_for_no_key_is_not_sent_a_foreign_one(server: OpenAIServer) -> None:
    mind = build_llm(ProviderOptions("openai", model="llama", base_url=server.url))
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Are you open?")
    await mind.chat(chat_ctx=context).collect()
    await mind.aclose()
    assert [request.key for request in server.requests] == ["none"]


async def test_what_is_left_out_has_a_default_and_nothing_comes_from_the_environment() -> None:
    built = [build(ProviderOptions("openai", api_key=KEY)) for build in (build_stt, build_llm, build_tts)]
    assert [one.model for one in built] == ["gpt-4o-mini-transcribe", "gpt-4.1-mini", "gpt-4o-mini-tts"]
    for one in built:
        client = vars(one)["_client"]
        assert (client.api_key, str(client.base_url)) == ("sk-of-a-tenant", OPENAI)
        assert one.provider == "api.openai.com"
        await client.close()


async def test_recognition_streams_over_the_realtime_protocol_if_asked_to() -> None:
    ears = build_stt(ProviderOptions("openai", api_key=KEY, extra={"realtime": True}))
    assert ears.capabilities.streaming
    await vars(ears)["_client"].close()


async def test_speech_is_asked_for_a_sentence_at_a_time() -> None:
    voice: tts.TTS[None] = build_tts(ProviderOptions("openai", api_key=KEY))
    assert not voice.capabilities.streaming
    await voice.aclose()
