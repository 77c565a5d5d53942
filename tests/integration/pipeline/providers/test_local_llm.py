"""The local LLM, used as a session uses it."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import llm

from pipeline.options import ProviderOptions
from pipeline.providers import build_llm

HOURS = "We are open from nine in the morning to five in the afternoon, Monday to Friday."


@pytest.fixture
def local_llm() -> llm.LLM[None]:
    return build_llm(ProviderOptions("local"))


def context(*said: str) -> llm.ChatContext:
    history = llm.ChatContext.empty()
    history.add_message(role="system", content="Be brief.")
    for text in said:
        history.add_message(role="user", content=text)
        history.add_message(role="assistant", content="Yes.")
    return history


async def answer(local_llm: llm.LLM[None], *said: str) -> str:
    return (await local_llm.chat(chat_ctx=context(*said)).collect()).text


async def test_an_answer_is_streamed_word_by_word(local_llm: llm.LLM[None]) -> None:
    async with local_llm.chat(chat_ctx=context("What are your opening hours?")) as stream:
        chunks = [chunk async for chunk in stream]
    words = [chunk.delta.content or "" for chunk in chunks if chunk.delta]
    assert "".join(words) == HOURS
    assert len(words) == len(HOURS.split())
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(words)
    assert len({chunk.id for chunk in chunks}) == 1


async def test_an_answer_uses_what_was_said_before(local_llm: llm.LLM[None]) -> None:
    assert await answer(local_llm, "what is my name") == "You have not told me your name yet."
    assert await answer(local_llm, "My name is John.", "where are you", "what is my name") == "Your name is John."


async def test_a_question_without_an_exchange_gets_the_fallback(local_llm: llm.LLM[None]) -> None:
    fallback = "Sorry, I did not understand that. You can ask me for our opening hours, or for our address."
    assert await answer(local_llm, "colourless green ideas sleep furiously") == fallback
    assert await answer(local_llm) == fallback


async def test_an_answer_is_cancelled_between_two_words() -> None:
    slow = build_llm(ProviderOptions("local", extra={"delay_ms": 10_000}))
    stream = slow.chat(chat_ctx=context("tell me a long story"))
    async with asyncio.timeout(5):
        await stream.aclose()


async def test_a_delay_comes_before_each_word() -> None:
    slow = build_llm(ProviderOptions("local", extra={"delay_ms": 20}))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await answer(slow, "thank you") == "You are welcome."
    assert loop.time() - began >= 0.06


async def test_a_tenants_own_script_is_followed() -> None:
    script = [{"hear": ["(bread|rolls) please"], "say": "Here you are."}]
    baker = build_llm(ProviderOptions("local", extra={"script": script, "fallback": "We sell bread."}))
    assert await answer(baker, "Rolls, please!") == "Here you are."
    assert await answer(baker, "what are your opening hours") == "We sell bread."


def test_it_names_itself_for_metrics(local_llm: llm.LLM[None]) -> None:
    assert (local_llm.provider, local_llm.model) == ("local", "script")
