"""The rules of the house that no linter knows."""

from __future__ import annotations

import re

from tests.unit.conventions.source_tree import PACKAGES, modules

MOST_LINES = 400
MODULES = modules(*PACKAGES, "tests")


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {path: length for path, length in lengths.items() if length > MOST_LINES}


def test_no_file_is_named_for_nothing() -> None:
    empty = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not [path for path in MODULES if path.stem in empty or path.parent.name in empty]


def test_the_name_of_each_test_is_a_sentence() -> None:
    for path in modules("tests"):
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert name.count("_") > 2, f"{path.name}: {name}"
