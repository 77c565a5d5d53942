"""The scaling benchmark runs. Its numbers are not checked, because the machine of a test has other work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.stack import Binaries
from tests.bench.scaling.__main__ import main
from tests.bench.scaling.call import CallProfile
from tests.bench.scaling.cost import measure_once
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.forecast import capacities, memory_bytes
from tests.bench.scaling.recording import record
from tests.bench.scaling.results import Results

pytestmark = pytest.mark.usefixtures("own_interpreters")

SOME_HEARTBEATS = "2.5"
SMALL = ["--rooms", "100", "--calls", "5", "--seconds", "0.5", "--highest", "25"]


def run(output: Path, *options: str) -> Results:
    done = CliRunner().invoke(main, [*SMALL, "--output", str(output), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Results.from_json((output / "scaling.json").read_text(encoding="utf-8"))


def test_the_costs_of_a_call_and_of_the_sweeps_are_measured_and_written(binaries: Binaries, tmp_path: Path) -> None:
    results = run(tmp_path, "--only", "call", "--only", "waitlist", "--only", "sweeps", "--only", "receivers")
    costs = {cost.action: cost for cost in results.call[100]}
    assert len(costs) == 10
    assert all(len(cost.samples_ms) == 5 for cost in costs.values())
    assert costs["renew"].by_command["evalsha"] == 1
    assert [cost.action.partition(":")[0] for cost in results.sweeps[100]] == [
        *("leases", "messages", "messages", "LiveKit", "permits", "notifier", "leases", "messages"),
        *("LiveKit", "LiveKit", "permits", "notifier", "permits", "LiveKit"),
    ]
    assert [cost.by_command["lpush"] for cost in results.waitlist[100] if "claim" in cost.action] == [1]
    assert memory_bytes(results, 2) > memory_bytes(results, 1) > 0
    # Sorted, because their order depends on the times of five calls.
    assert sorted(capacity.part.partition(" ")[0] for capacity in capacities(results)) == [
        "a",
        "connections",
        "network",
        "the",
    ]
    document = (tmp_path / "scaling.md").read_text(encoding="utf-8")
    assert "| 100 | **a whole call** |" in document


def test_later_results_are_added_to_earlier_ones(binaries: Binaries, tmp_path: Path) -> None:
    before = run(tmp_path, "--only", "ps")
    later = run(tmp_path, "--only", "ramp")
    assert later.ps == before.ps
    assert later.ramp is not None
    assert [(level.rate, level.errors) for level in later.ramp.levels] == [(25.0, 0)]
    assert later.ramp.levels[0].requests > 0


async def test_an_idle_worker_and_flower_are_measured(binaries: Binaries, tmp_path: Path) -> None:
    results = await asyncio.to_thread(run, tmp_path, "--only", "idle", "--seconds", SOME_HEARTBEATS)
    alone, worker, flower = results.idle
    assert alone.requests < worker.requests < flower.requests
    # Its heartbeat.
    assert worker.by_command["hset"] > 0


async def test_a_recording_has_all_commands_of_one_call_and_its_own_parts_can_be_replaced(binaries: Binaries) -> None:
    profile = CallProfile(length=20.0)
    async with Installation.start(binaries) as installation:
        recording = await record(installation, profile)
    steps = [request.step for request in recording.requests]
    assert steps[:3] == ["open", "open", "open again"]
    assert steps.count("conversation") == profile.saves
    substitutions = dict(recording.substitutions(b"RM_other%07d" % 7))
    payload = b"".join(request.payload for request in recording.requests)
    for old, new in substitutions.items():
        assert old in payload
        payload = payload.replace(old, new)
    assert recording.sid not in payload


async def test_a_block_is_the_longest_time_in_which_nothing_else_ran(binaries: Binaries) -> None:
    async def busy() -> None:
        for turns in (1_000, 2_000_000, 1_000):
            sum(range(turns))
            await asyncio.sleep(0)

    async with Installation.start(binaries) as installation:
        results = await measure_once("a loop", installation.meter, busy())
    assert results.block_ms is not None
    assert 1 < results.block_ms < results.p50_ms * 1.5


def test_a_block_that_is_too_long_does_not_pass(binaries: Binaries, tmp_path: Path) -> None:
    options = [*SMALL, "--only", "sweeps", "--block-ms", "0", "--output", str(tmp_path)]
    assert CliRunner().invoke(main, options).exit_code == 1
    with pytest.raises(ValueError, match="validation error"):
        Results.from_json("{}")
