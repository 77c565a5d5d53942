"""What plugins need around them, which a job gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from livekit.agents.utils import http_context

# Whatever the process has in its environment is not the tenant's.
FOREIGN = (
    "DEEPGRAM_API_KEY",
    "ELEVEN_API_KEY",
    "OPENAI_API_KEY",
)


@pytest.fixture(autouse=True)
def foreign_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of somebody else, where plugins look for one that they were not given."""
    for name in FOREIGN:
        monkeypatch.setenv(name, "a-foreign-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/foreign")


@pytest.fixture
async def http() -> AsyncIterator[None]:
    """The HTTP session that plugins share."""
    async with http_context.open():
        yield
