"""One console for the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ops.stack import Binaries
from tests.integration.ops.console.pages import house as houses
from tests.integration.ops.console.pages.house import House


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with houses.opened(binaries, tmp_path_factory.mktemp("console")) as opened:
        yield opened
