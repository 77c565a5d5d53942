"""The image: a linter with a real parser, and this project's own rules."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.integration.compose.composition import REPOSITORY, built_services
from tests.unit.conventions.source_tree import PACKAGES

FOLDER = REPOSITORY / "ops" / "docker"
DOCKERFILE = FOLDER / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_hadolint_has_no_complaint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_built_service_is_built_from_it() -> None:
    builds = {(service["build"]["context"], service["build"]["dockerfile"]) for service in built_services().values()}
    assert builds == {(".", str(DOCKERFILE.relative_to(REPOSITORY)))}


def test_the_user_is_not_root_and_has_a_fixed_uid() -> None:
    users = [rest for word, rest in instructions() if word == "USER"]
    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[0])


def test_the_command_is_a_list() -> None:
    commands = [rest for word, rest in instructions() if word in {"CMD", "ENTRYPOINT"}]
    assert commands
    assert all(command.startswith("[") for command in commands)


def test_packages_are_installed_from_the_lock_with_their_hashes() -> None:
    installs = [
        part for word, rest in instructions() if word == "RUN" for part in rest.split("&&") if "pip install" in part
    ]
    assert installs
    for install in installs:
        assert "--require-hashes --requirement requirements/all.txt" in install or "--no-deps" in install


def copied() -> set[str]:
    """What the image takes from the checkout."""
    return {
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }


def test_no_secret_can_get_into_it() -> None:
    assert not [
        rest for word, rest in instructions() if word in {"ARG", "ENV"} and re.search("SECRET|PASSWORD|KEY", rest)
    ]
    lines = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "only named files are sent to the builder"
    assert {rule.removeprefix("!").rstrip("/") for rule in rules if rule.startswith("!")} == copied()
    assert all((REPOSITORY / source).exists() for source in copied())


def test_it_has_the_packages_and_neither_tests_nor_benchmarks() -> None:
    assert copied() == {*PACKAGES, "requirements/all.txt", "pyproject.toml", "README.md", "LICENSE"}
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            assert not {"tests", "bench"} & set(path.relative_to(REPOSITORY).parts), path
            assert not path.stem.startswith(("test_", "conftest")), path
