from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from tasks.settings import Settings
from tests.unit.webhooks.memory import KEY, SECRET, MemoryDispatcher
from webhooks.app import create_app


@pytest.fixture
def dispatcher() -> MemoryDispatcher:
    return MemoryDispatcher()


@pytest.fixture
async def app(dispatcher: MemoryDispatcher) -> AsyncIterator[FastAPI]:
    settings = Settings(livekit_api_key=KEY, livekit_api_secret=SecretStr(SECRET), webhook_max_bytes=2000)
    receiver = create_app(settings, connect=lambda _: dispatcher)
    async with receiver.router.lifespan_context(receiver):
        yield receiver
    assert dispatcher.hung_up
