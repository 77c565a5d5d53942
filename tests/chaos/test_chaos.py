"""Each row of the table once, in its short form. `make chaos` runs them several times and as they stand there."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from ops.stack import Binaries
from tests.chaos.installation_pool import House
from tests.chaos.row import Row
from tests.chaos.scenario import Chance, Scenario
from tests.chaos.table import SCENARIOS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    opened = House(binaries, tmp_path_factory.mktemp("chaos"))
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=scenario.name) for scenario in SCENARIOS])
async def test_an_agent_is_back_in_time_and_no_call_is_lost_or_doubled(
    scenario: Scenario, house: House, record_property: Callable[[str, object], None]
) -> None:
    delays: list[str] = []
    # One time says little on a machine that does other things: an agent that was late must not be so again. Nothing
    # excuses a call that is lost or doubled. `make chaos` judges each of its runs by all limits.
    for _ in range(2):
        seed = secrets.randbelow(1_000_000)
        print(f"seed {seed}")
        row = Row(scenario)
        await row.run(house, Chance(random.Random(seed), brief=True))
        if row.skipped and not os.environ.get("CI"):
            pytest.skip(row.skipped)
        record_property("row", row.as_json())
        assert not row.skipped
        assert row.failures == [], row.sum.remarks
        if not row.delays:
            return
        delays += row.delays
    pytest.fail("; ".join(delays))
