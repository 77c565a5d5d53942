"""Three short histories of fixed seeds, on one installation. `make campaign` runs long ones of any seed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ops.stack import Binaries
from tests.campaign.generator import brief, generate
from tests.campaign.installation import start_installation
from tests.campaign.runner import Runner
from tests.chaos.network import NotPermitted

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLACK = 3.0
"""The machine of a test has other work."""
SEEDS = (1, 2, 3)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runner(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    try:
        async with start_installation(binaries, tmp_path_factory.mktemp("campaign") / "one", {}) as installation:
            yield Runner(installation, slack=SLACK)
    except NotPermitted as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_history_keeps_all_promises(seed: int, runner: Runner) -> None:
    result = await runner.run(generate(seed, 0, brief()))
    assert not result.violations, result.timeline
