from __future__ import annotations

import asyncio
import gc

import pytest

from ops import reconcile_load
from ops.reconcile_load import Cost, cost, main, run
from ops.stack import Binaries


async def test_each_sweep_is_measured_with_rooms_that_it_has_something_to_do_for(binaries: Binaries) -> None:
    costs = await run(binaries, 60)
    assert [each.sweep.partition(":")[0] for each in costs] == [
        *("leases", "tasks", "server", "places", "callers", "leases", "tasks"),
        *("server", "server", "places", "callers", "places", "server"),
    ]
    assert all(each.wall_ms > 0 for each in costs)


async def test_a_block_is_the_longest_time_in_which_nothing_else_ran() -> None:
    async def busy() -> None:
        for turns in (1_000, 2_000_000, 1_000):
            sum(range(turns))
            await asyncio.sleep(0)

    found = await cost("a loop", busy())
    assert found.sweep == "a loop"
    assert found.longest_block_ms > 1
    assert found.longest_block_ms < found.wall_ms * 1.5


def test_a_block_that_is_too_long_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measured(*_: object) -> list[Cost]:
        return [Cost("quick", 5.0, 1.0), Cost("slow", 500.0, 40.0)]

    monkeypatch.setattr(reconcile_load, "run", measured)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    assert main(["--rooms", "7"]) == 0
    assert main(["--rooms", "7", "--block-ms", "39"]) == 1
    assert "slow" in capsys.readouterr().out
