"""The measurement of growth runs as it is; what it says is not looked at here, as this machine has other work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.stack import Binaries
from tests.bench.scaling.__main__ import main
from tests.bench.scaling.call import Talk
from tests.bench.scaling.cost import cost_of_one
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.forecast import capacities, memory_bytes
from tests.bench.scaling.recording import record
from tests.bench.scaling.results import Results

SMALL = ["--rooms", "100", "--calls", "5", "--seconds", "0.5", "--most", "25"]


def run(output: Path, *options: str) -> Results:
    done = CliRunner().invoke(main, [*SMALL, "--output", str(output), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Results.from_json((output / "growth.json").read_text(encoding="utf-8"))


def test_the_costs_of_a_call_and_of_the_sweeps_are_measured_and_written(binaries: Binaries, tmp_path: Path) -> None:
    found = run(tmp_path, "--only", "call", "--only", "line", "--only", "sweeps", "--only", "receivers")
    costs = {cost.action: cost for cost in found.call[100]}
    assert len(costs) == 10
    assert all(len(cost.samples_ms) == 5 for cost in costs.values())
    assert costs["renew"].by_command["evalsha"] == 1
    assert [cost.action.partition(":")[0] for cost in found.sweeps[100]] == [
        *("leases", "tasks", "tasks", "server", "places", "callers", "leases", "tasks"),
        *("server", "server", "places", "callers", "places", "server"),
    ]
    assert [cost.by_command["lpush"] for cost in found.line[100] if "claim" in cost.action] == [1]
    assert memory_bytes(found, 2) > memory_bytes(found, 1) > 0
    # Which of them is full first depends on what five calls took.
    assert sorted(capacity.part.partition(" ")[0] for capacity in capacities(found)) == ["a", "the", "the", "the"]
    document = (tmp_path / "growth.md").read_text(encoding="utf-8")
    assert "| 100 | **a whole call** |" in document


def test_what_is_measured_later_stands_beside_what_was_measured_before(binaries: Binaries, tmp_path: Path) -> None:
    before = run(tmp_path, "--only", "looks")
    later = run(tmp_path, "--only", "surge")
    assert later.looks == before.looks
    assert later.surge is not None
    assert [(level.rate, level.errors) for level in later.surge.levels] == [(25.0, 0)]
    assert later.surge.levels[0].requests > 0


async def test_a_worker_and_flower_are_watched_while_nothing_happens(binaries: Binaries, tmp_path: Path) -> None:
    found = await asyncio.to_thread(run, tmp_path, "--only", "standing")
    alone, worker, flower = found.standing
    assert alone.requests < worker.requests < flower.requests
    # Its heartbeat.
    assert worker.by_command["hset"] > 0


async def test_a_recorded_call_says_all_that_it_has_to_say_and_only_its_own(binaries: Binaries) -> None:
    talk = Talk(length=20.0)
    async with Installation.start(binaries) as installation:
        recording = await record(installation, talk)
    steps = [request.step for request in recording.requests]
    assert steps[:3] == ["open", "open", "open again"]
    assert steps.count("say") == 2 * talk.said
    assert len(recording.marks) == 1
    own = dict(recording.own(b"RM_other%07d" % 7))
    said = b"".join(request.payload for request in recording.requests)
    for old, new in own.items():
        assert old in said
        said = said.replace(old, new)
    assert recording.sid not in said


async def test_a_block_is_the_longest_time_in_which_nothing_else_ran(binaries: Binaries) -> None:
    async def busy() -> None:
        for turns in (1_000, 2_000_000, 1_000):
            sum(range(turns))
            await asyncio.sleep(0)

    async with Installation.start(binaries) as installation:
        found = await cost_of_one("a loop", installation.meter, busy())
    assert found.block_ms is not None
    assert 1 < found.block_ms < found.p50_ms * 1.5


def test_a_block_that_is_too_long_does_not_pass(binaries: Binaries, tmp_path: Path) -> None:
    options = [*SMALL, "--only", "sweeps", "--block-ms", "0", "--output", str(tmp_path)]
    assert CliRunner().invoke(main, options).exit_code == 1
    with pytest.raises(ValueError, match="validation error"):
        Results.from_json("{}")
