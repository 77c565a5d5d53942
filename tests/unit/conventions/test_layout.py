"""The rules of the house that no linter knows."""

from __future__ import annotations

import re

from tests.unit.conventions.source_tree import PACKAGES, ROOT, modules

MOST_LINES = 400
MODULES = modules(*PACKAGES, "tests")


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {path: length for path, length in lengths.items() if length > MOST_LINES}


def test_no_file_is_named_for_nothing() -> None:
    empty = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not [path for path in MODULES if path.stem in empty or path.parent.name in empty]


def test_each_lua_file_says_what_it_takes_and_what_it_answers() -> None:
    found = sorted((ROOT / "tasks").rglob("*.lua"))
    assert found
    for path in found:
        head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("--")]
        assert re.search(r"KEYS", "\n".join(head)), path.name
        assert re.search(r"(?i)return|answer", "\n".join(head)), path.name


def test_the_name_of_each_test_is_a_sentence() -> None:
    for path in modules("tests"):
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert name.count("_") > 2, f"{path.name}: {name}"
