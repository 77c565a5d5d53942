"""Each scenario once, in its short form. `make chaos` runs the full forms several times."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from ops.stack import Binaries
from tests.chaos.installation_pool import InstallationPool
from tests.chaos.row import Row
from tests.chaos.scenario import Scenario, Variation
from tests.chaos.table import SCENARIOS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InstallationPool]:
    installations = InstallationPool(binaries, tmp_path_factory.mktemp("chaos"))
    yield installations
    await installations.aclose()


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=scenario.name) for scenario in SCENARIOS])
async def test_an_agent_is_back_in_time_and_no_call_is_lost_or_doubled(
    scenario: Scenario, pool: InstallationPool, record_property: Callable[[str, object], None]
) -> None:
    delays: list[str] = []
    # The machine of a test has other work, so a late recovery is measured again. A lost or doubled call fails at once.
    # `make chaos` applies all limits to each run.
    for _ in range(2):
        seed = secrets.randbelow(1_000_000)
        print(f"seed {seed}")
        row = Row(scenario)
        await row.run(pool, Variation(random.Random(seed), brief=True))
        if row.skipped and not os.environ.get("CI"):
            pytest.skip(row.skipped)
        record_property("row", row.as_json())
        assert not row.skipped
        assert row.failures == [], row.outcome.remarks
        if not row.delays:
            return
        delays += row.delays
    pytest.fail("; ".join(delays))
