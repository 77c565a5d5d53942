"""Fixtures that stand for the job around the plugins, and keys in the environment that they must not use."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from livekit.agents.utils import http_context

from tests.provider_emulators.server import ProviderEmulator

# Keys in the environment of the process are the operator's, not the tenant's.
FOREIGN = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CARTESIA_API_KEY",
    "DEEPGRAM_API_KEY",
    "ELEVEN_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_CLOUD_PROJECT",
    "GROQ_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
)


@pytest.fixture(autouse=True)
def foreign_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set keys in the environment, where plugins look for one that they were not given."""
    for name in FOREIGN:
        monkeypatch.setenv(name, "a-foreign-key")
    for name in ("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/foreign")
    for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Foreign: a-foreign-key")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")


def nothing_foreign(server: ProviderEmulator) -> None:
    """Assert that no request received by this emulator has anything from the environment in it."""
    assert server.requests
    for request in server.requests:
        assert "foreign" not in f"{request}".lower()


@pytest.fixture(autouse=True)
async def closed_clients(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Close the HTTP clients of OpenAI's and Anthropic's SDKs, which their plugins and the fallbacks leave open.

    In a call they end with the child. In a test their sockets would stay open until the garbage collector finds them,
    perhaps in the middle of another test, which then fails with the ResourceWarning.
    """
    opened: list[httpx2.AsyncClient] = []
    construct = httpx2.AsyncClient.__init__

    def recorded(client: httpx2.AsyncClient, *arguments: Any, **options: Any) -> None:
        opened.append(client)
        construct(client, *arguments, **options)

    monkeypatch.setattr(httpx2.AsyncClient, "__init__", recorded)
    yield
    for client in opened:
        await client.aclose()
    if opened:
        # What is still open warns here, in the test that left it.
        opened.clear()
        gc.collect()


@pytest.fixture
async def http() -> AsyncIterator[None]:
    """Open the HTTP session that plugins share."""
    async with http_context.open():
        yield
