"""A LiveKit server whose rooms nobody answers but the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ops.stack import Binaries
from ops.stack.livekit import LiveKitServer
from tests.support.livekit_server import livekit_without_webhooks


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def livekit(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveKitServer]:
    async with livekit_without_webhooks(binaries, tmp_path_factory.mktemp("livekit")) as server:
        yield server
