"""Private names of the libraries that this project builds on, and the few folders that may know them.

Their versions are pinned, and contract tests fail when one moves. So it has to stay visible where they are used.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.conventions.source_tree import PACKAGES, ROOT, imported, modules, project

PRIVATE = {
    "livekit": ("pipeline/runtime/",),
    "celery": ("tasks/worker/",),
    "kombu": ("tasks/worker/",),
    "billiard": ("tasks/worker/",),
}
QUEUE = (
    "tasks/worker/",
    "tasks/background/app.py",
    "tasks/background/celery.py",
    "tasks/background/task.py",
    "tasks/celery.py",
    "tasks/queue/app.py",
    "tasks/queue/celery_config.py",
    "tasks/queue/message.py",
    "tasks/call/task.py",
    "tasks/queue/flower/",
    # An error of remote control.
    "ops/commands/drain.py",
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def names(path: Path) -> Iterator[str]:
    """The dotted name of each thing that a file imports: the module, and what is taken out of it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


@pytest.mark.parametrize(("library", "folders"), PRIVATE.items())
def test_private_names_are_imported_in_one_folder_alone(library: str, folders: tuple[str, ...]) -> None:
    elsewhere = {
        f"{relative(path)}: {name}"
        for path in modules(*PACKAGES)
        if not relative(path).startswith(folders)
        for name in names(path)
        if name.partition(".")[0] == library and is_private(name)
    }
    assert not elsewhere


def test_private_attributes_are_allowed_in_those_folders_and_in_tests_alone() -> None:
    ignores = project()["tool"]["ruff"]["lint"]["per-file-ignores"]
    folders = {folder.removesuffix("**") for folder, rules in ignores.items() if "SLF001" in rules}
    assert folders == {folder for folders in PRIVATE.values() for folder in folders} | {"tests/"}
    # Nor is one allowed beside the line itself.
    assert not [path for path in modules(*PACKAGES) if "SLF001" in path.read_text(encoding="utf-8")]


def test_celery_is_imported_only_where_a_message_is_made_sent_or_taken() -> None:
    elsewhere = {
        f"{relative(path)}: {module}"
        for path in modules(*PACKAGES)
        if not relative(path).startswith(QUEUE)
        for module in imported(path)
        if module.partition(".")[0] in {"celery", "kombu", "billiard"}
    }
    assert not elsewhere
