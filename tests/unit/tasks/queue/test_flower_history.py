"""The file in which Flower keeps its tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.queue.flower import history


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    """Give up what a test has reserved."""
    yield
    while history._reserved:
        os.close(history._reserved.pop())


def test_a_file_belongs_to_one_flower(tmp_path: Path) -> None:
    history.reserve(str(tmp_path / "tasks"))
    with pytest.raises(SystemExit, match=r"Another Flower keeps its tasks in .*/tasks: give each a file of its own"):
        history.reserve(str(tmp_path / "tasks"))
    history.reserve(str(tmp_path / "others"))


def test_a_flower_that_was_killed_leaves_its_file_to_the_next_one(tmp_path: Path) -> None:
    history.reserve(str(tmp_path / "tasks"))
    os.close(history._reserved.pop())
    history.reserve(str(tmp_path / "tasks"))


def test_a_file_that_could_not_be_written_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot keep its tasks in .*: No such file or directory. Set FLOWER_DB to"):
        history.reserve(str(tmp_path / "nowhere" / "tasks"))
