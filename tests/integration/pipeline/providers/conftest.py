"""What plugins need around them, which a job gives them."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from livekit.agents.utils import http_context

from tests.provider_emulators.server import WireServer

# Whatever the process has in its environment is not the tenant's.
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
    """Keys of somebody else, where plugins look for one that they were not given."""
    for name in FOREIGN:
        monkeypatch.setenv(name, "a-foreign-key")
    for name in ("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/foreign")
    for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Foreign: a-foreign-key")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")


def nothing_foreign(server: WireServer) -> None:
    """No request that this server has seen has anything from the process's environment in it."""
    assert server.requests
    for request in server.requests:
        assert "foreign" not in f"{request}".lower()


@pytest.fixture
def collected() -> Iterator[None]:
    """Clients that a plugin leaves open are gone with the test that left them, and warn there."""
    yield
    gc.collect()


@pytest.fixture
async def http() -> AsyncIterator[None]:
    """The HTTP session that plugins share."""
    async with http_context.open():
        yield
