"""README: its numbers are the latest benchmark's, its versions those that are pinned, its map that of the tree."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from packaging.requirements import Requirement

from ops.setup.livekit import VERSION
from tests.unit.conventions.source_tree import PACKAGES, ROOT, modules, project

README = (ROOT / "README.md").read_text(encoding="utf-8")
PINNED = ("livekit-agents", "celery", "kombu", "billiard")


def figures() -> dict[str, dict[str, Any]]:
    rows = json.loads((ROOT / "docs" / "benchmarks" / "latest.json").read_text(encoding="utf-8"))
    return {row["figure"]: row for row in rows}


def cells(first: str) -> list[str]:
    """The cells of the row of a table that begins with this one, without it."""
    found = re.search(rf"^\| {re.escape(first)} \| (.+) \|$", README, re.MULTILINE)
    assert found, first
    return [cell.strip() for cell in found[1].split(" | ")]


@pytest.mark.parametrize(
    ("row", "figure", "shown"),
    [
        ("agent in the room, p50", "calls: agent joined, p50", "{:.0f} ms"),
        ("first word heard, p50", "calls: first audio heard, p50", "{:.0f} ms"),
        ("burst of 16 calls in 2 s: never answered", "burst of 16: never answered, of 48", "{:.0f} of 48"),
        ("memory of a live call", "cost: unique memory of a live call, median", "{:.0f} MB"),
        ("CPU for a minute of a call", "cost: CPU seconds of the worker for a minute of a call", "{:.2f} s"),
    ],
)
def test_each_number_against_the_built_in_dispatch_is_that_of_the_latest_benchmark(
    row: str, figure: str, shown: str
) -> None:
    measured = figures()[figure]
    assert cells(row)[:2] == [shown.format(measured["ours"]), shown.format(measured["builtin"])]


def test_a_killed_agent_is_heard_again_as_measured_and_never_with_the_built_in_dispatch() -> None:
    measured = figures()["killed: an agent is heard again, p50"]
    assert measured["builtin"] is None
    assert cells("agent's process killed: heard again after")[:2] == [
        f"{measured['ours']:.2f} s",
        "never (within 45 s)",
    ]


def test_what_it_costs_is_as_measured() -> None:
    measured = figures()
    text = " ".join(README.split())
    redis = measured["cost: PSS of receivers and Redis beside it"]["ours"]
    redis_cpu = measured["cost: CPU seconds of receivers and Redis beside it"]["ours"]
    assert f"takes {redis:.0f} MB and {redis_cpu:.2f} s of CPU for each minute of a call" in text
    call = measured["cost: unique memory of a live call, median"]["ours"]
    cores = measured["cost: CPU seconds of the worker for a minute of a call"]["ours"] / 60
    assert f"{call:.0f} MB and {cores:.2f} of a core for each call" in text
    (carried,) = (row for figure, row in measured.items() if figure.startswith("density: calls carried"))
    assert f"carries {carried['ours']:g} such calls before answers come late (built-in: {carried['builtin']:g})" in text


def test_the_versions_are_those_that_are_pinned_and_tested_with() -> None:
    wanted = [Requirement(line) for line in project()["project"]["dependencies"]]
    pins = {each.name: str(each.specifier).removeprefix("==") for each in wanted if each.name in PINNED}
    header = f"| {' | '.join(PINNED)} |\n|---|---|---|---|\n| "
    assert header + " | ".join(pins[name] for name in PINNED) + " |" in README
    assert f"tested with is {VERSION}." in " ".join(README.split())
    assert f"livekit-agents {pins['livekit-agents']} (" in README


def test_the_pythons_are_those_of_the_package() -> None:
    classifiers = project()["project"]["classifiers"]
    *first, last = re.findall(r":: (3\.\d+)", " ".join(classifiers))
    assert f"Python {', '.join(first)} or {last}." in README


def test_the_map_says_of_each_folder_where_its_code_runs() -> None:
    table = README.partition("## The map\n")[2].partition("\n## ")[0]
    mapped: set[str] = set()
    for folder, runs_in, _ in re.findall(r"^\| (`.+?) \| (.+?) \| (.+?) \|$", table, re.MULTILINE):
        assert runs_in
        mapped.update(name.rstrip("/") for name in re.findall(r"`(.+?)`", folder))
    assert not {name for name in mapped if not (ROOT / name).is_dir()}
    folders = {path.parent.relative_to(ROOT) for path in modules(*PACKAGES)}
    # A folder within these is a part of the one above it.
    wanted = {str(folder) for folder in folders if len(folder.parts) < 3 or folder.parts[:2] == ("tasks", "worker")}
    assert wanted <= mapped
