from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from tasks.settings import Settings
from tests.unit.webhooks.memory import ENVIRONMENT, MemoryDispatcher
from webhooks.app import create_app


@pytest.fixture
def dispatcher() -> MemoryDispatcher:
    return MemoryDispatcher()


@pytest.fixture
async def app(dispatcher: MemoryDispatcher) -> AsyncIterator[FastAPI]:
    settings = Settings.read(ENVIRONMENT | {"SWITCHBOARD_WEBHOOK_MAX_BYTES": "2000"})
    receiver = create_app(settings, connect=lambda _: dispatcher)
    async with receiver.router.lifespan_context(receiver):
        yield receiver
    assert dispatcher.is_closed
