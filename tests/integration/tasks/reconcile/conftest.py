"""An installation's receiver without its web server, on a real Redis, and a fake of the LiveKit server API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.stack import Binaries
from ops.stack.livekit import LiveKitServer
from tasks.queue.dispatcher import Dispatcher
from tasks.reconcile.livekit_sync import LiveKitSync
from tasks.rooms import RoomStore
from tasks.settings import LivekitSettings, Settings
from tests.integration.tasks.reconcile.calls import MAX_ATTEMPTS
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.livekit_server import livekit_without_webhooks
from tests.support.tenants import declare


@pytest.fixture
async def settings(switchboard_env: dict[str, str], rooms: RoomStore) -> Settings:
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')
    return Settings.read()


@pytest.fixture
async def dispatcher(settings: Settings) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher.from_settings(settings)
    yield dispatcher
    await dispatcher.aclose()


@pytest.fixture
async def livekit(binaries: Binaries, tmp_path: Path) -> AsyncIterator[LiveKitServer]:
    async with livekit_without_webhooks(binaries, tmp_path) as running:
        yield running


@pytest.fixture
async def livekit_server_settings(
    livekit: LiveKitServer, switchboard_env: dict[str, str], rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings with a real LiveKit server that sends no webhooks, for a module whose `settings` these are."""
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')
    monkeypatch.setenv("LIVEKIT_URL", livekit.url)
    monkeypatch.setenv("LIVEKIT_API_KEY", livekit.api_key)
    monkeypatch.setenv("LIVEKIT_API_SECRET", livekit.api_secret)
    return Settings.read()


@pytest.fixture
async def server() -> AsyncIterator[FakeLiveKitApi]:
    async with FakeLiveKitApi.serve() as serving:
        yield serving


@pytest.fixture
def livekit_settings(settings: Settings, server: FakeLiveKitApi) -> LivekitSettings:
    return settings.livekit.model_copy(update={"url": server.url})


@pytest.fixture
def sync(rooms: RoomStore, dispatcher: Dispatcher, livekit_settings: LivekitSettings) -> LiveKitSync:
    return LiveKitSync(rooms, dispatcher, livekit_settings, max_attempts=MAX_ATTEMPTS)
