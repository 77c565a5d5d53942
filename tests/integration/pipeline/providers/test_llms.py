"""The language models of the extras, as the registry builds them, against their own protocols."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from livekit.agents import llm

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_llm
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.anthropic import AnthropicServer
from tests.provider_emulators.gemini import GeminiServer
from tests.provider_emulators.openai import OpenAIServer
from tests.provider_emulators.server import WireServer

pytestmark = [
    pytest.mark.usefixtures("collected"),
    # Google's client inherits from one that would rather not be.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
    # The plugins leave their clients' sockets open, which end with the call's process.
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]

ANSWER = "We are closed on the weekend."
KEY = "a-key-of-a-tenant"


@dataclass
class Spoken:
    """A provider, the server that speaks for it, its own options, and what of the request they become."""

    name: str
    server: WireServer
    model: str
    extra: dict[str, Any]
    asked: dict[str, Any] = field(default_factory=dict)


MINDS = [
    Spoken(
        "groq",
        OpenAIServer(reply=ANSWER, prefix="/openai/v1"),
        "llama-of-a-tenant",
        {"temperature": 0.2, "max_completion_tokens": 99},
        {"model": "llama-of-a-tenant", "temperature": 0.2, "max_completion_tokens": 99},
    ),
    Spoken(
        "anthropic",
        AnthropicServer(reply=ANSWER),
        "claude-of-a-tenant",
        {"temperature": 0.2, "max_tokens": 99},
        {"model": "claude-of-a-tenant", "temperature": 0.2, "max_tokens": 99},
    ),
    Spoken(
        "google",
        GeminiServer(reply=ANSWER),
        "gemini-2.5-of-a-tenant",
        {"temperature": 0.2, "thinking_budget": 0},
        {"model": "gemini-2.5-of-a-tenant"},
    ),
]


async def answered(mind: llm.LLM[Any], question: str = "Are you open?") -> list[str]:
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Be brief.")
    context.add_message(role="user", content=question)
    async with mind.chat(chat_ctx=context) as stream:
        return [chunk.delta.content async for chunk in stream if chunk.delta and chunk.delta.content]


@pytest.mark.parametrize("spoken", [pytest.param(spoken, id=spoken.name) for spoken in MINDS])
async def test_an_answer_is_streamed_from_the_tenants_server_with_the_tenants_key(spoken: Spoken) -> None:
    async with spoken.server.serve():
        options = ProviderOptions(
            spoken.name, model=spoken.model, base_url=spoken.server.url, api_key=Secret(KEY), extra=spoken.extra
        )
        mind = build_llm(options)
        words = await answered(mind)
        await mind.aclose()
    assert "".join(words).strip() == ANSWER
    assert len(words) == len(ANSWER.split())
    (request,) = spoken.server.requests
    assert request.key == KEY
    assert {name: request.fields[name] for name in spoken.asked} == spoken.asked
    nothing_foreign(spoken.server)


async def test_gemini_is_told_how_to_think_and_what_to_be() -> None:
    server = GeminiServer(reply=ANSWER)
    async with server.serve():
        options = ProviderOptions(
            "google", model="gemini-3-flash", base_url=server.url, api_key=Secret(KEY), extra={"thinking_level": "low"}
        )
        mind = build_llm(options)
        await answered(mind)
        await mind.aclose()
    (request,) = server.requests
    assert "low" in str(request.fields["generationConfig"]["thinkingConfig"]).lower()
    assert "Be brief." in str(request.fields["systemInstruction"])
