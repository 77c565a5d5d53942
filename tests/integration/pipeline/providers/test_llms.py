"""The LLMs of the extras, as the registry builds them, against emulators of their protocols."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from livekit.agents import llm

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_llm
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.anthropic import AnthropicEmulator
from tests.provider_emulators.gemini import GeminiEmulator
from tests.provider_emulators.openai import OpenAIEmulator
from tests.provider_emulators.server import ProviderEmulator

# Google's client inherits from a class that is deprecated as a base.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

ANSWER = "We are closed on the weekend."
KEY = "a-key-of-a-tenant"


@dataclass
class Case:
    """A provider, its emulator, its extra options, and the fields of the request that they become."""

    name: str
    emulator: ProviderEmulator
    model: str
    extra: dict[str, Any]
    asked: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case(
        "groq",
        OpenAIEmulator(reply=ANSWER, prefix="/openai/v1"),
        "llama-of-a-tenant",
        {"temperature": 0.2, "max_completion_tokens": 99},
        {"model": "llama-of-a-tenant", "temperature": 0.2, "max_completion_tokens": 99},
    ),
    Case(
        "anthropic",
        AnthropicEmulator(reply=ANSWER),
        "claude-of-a-tenant",
        {"temperature": 0.2, "max_tokens": 99},
        {"model": "claude-of-a-tenant", "temperature": 0.2, "max_tokens": 99},
    ),
    Case(
        "google",
        GeminiEmulator(reply=ANSWER),
        "gemini-2.5-of-a-tenant",
        {"temperature": 0.2, "thinking_budget": 0},
        {"model": "gemini-2.5-of-a-tenant"},
    ),
]


async def answer_words(model: llm.LLM[Any], question: str = "Are you open?") -> list[str]:
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Be brief.")
    context.add_message(role="user", content=question)
    async with model.chat(chat_ctx=context) as stream:
        return [chunk.delta.content async for chunk in stream if chunk.delta and chunk.delta.content]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
async def test_an_answer_is_streamed_from_the_tenants_server_with_the_tenants_key(case: Case) -> None:
    async with case.emulator.serve():
        options = ProviderOptions(
            case.name, model=case.model, base_url=case.emulator.url, api_key=Secret(KEY), extra=case.extra
        )
        model = build_llm(options)
        words = await answer_words(model)
        await model.aclose()
    assert "".join(words).strip() == ANSWER
    assert len(words) == len(ANSWER.split())
    (request,) = case.emulator.requests
    assert request.key == KEY
    assert {name: request.fields[name] for name in case.asked} == case.asked
    nothing_foreign(case.emulator)


async def test_gemini_gets_the_thinking_level_and_the_instructions() -> None:
    emulator = GeminiEmulator(reply=ANSWER)
    async with emulator.serve():
        options = ProviderOptions(
            "google",
            model="gemini-3-flash",
            base_url=emulator.url,
            api_key=Secret(KEY),
            extra={"thinking_level": "low"},
        )
        model = build_llm(options)
        await answer_words(model)
        await model.aclose()
    (request,) = emulator.requests
    assert "low" in str(request.fields["generationConfig"]["thinkingConfig"]).lower()
    assert "Be brief." in str(request.fields["systemInstruction"])
