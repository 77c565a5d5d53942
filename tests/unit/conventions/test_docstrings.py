"""Docstrings: what their first line begins with, and that the one of a folder is a map of it.

ruff holds what it can (D401: a function's first line is an imperative); these are the rules that no linter knows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.unit.conventions.source_tree import PACKAGES, ROOT, modules

QUESTION_WORDS = {"what", "who", "whoever", "whom", "which", "how", "whether", "where", "that"}
MODULES = modules(*PACKAGES)
FOLDERS = sorted({path.parent for path in MODULES})
MAP_LINE = re.compile(r"(?P<indent> +)(?P<name>\w[\w/-]*?)(?:/|\.py)?(?:\s|$)")


def per_folder() -> pytest.MarkDecorator:
    """One test for each folder, so that a failure names it."""
    return pytest.mark.parametrize(
        "folder", [pytest.param(folder, id=str(folder.relative_to(ROOT))) for folder in FOLDERS]
    )


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the text of the docstring of a module, its classes and its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def contents(folder: Path) -> set[str]:
    """The names of a folder's modules and subfolders, without what Python or a tool keeps there."""
    modules_here = {path.stem for path in folder.glob("*.py")}
    files_below = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    folders_here = {path.relative_to(folder).parts[0] for path in files_below if path.parent != folder}
    return {name for name in modules_here | folders_here if not name.startswith(("__", "."))}


def blocks(docstring: str) -> list[list[tuple[int, str]]]:
    """The indented blocks of a docstring, as (indent, first word): of each block the least indented lines alone."""
    found = []
    for indented, lines in groupby(docstring.splitlines(), key=lambda line: line.startswith(" ")):
        if indented:
            entries = [(len(match["indent"]), match["name"]) for match in map(MAP_LINE.match, lines) if match]
            least = min((indent for indent, _ in entries), default=0)
            found.append([entry for entry in entries if entry[0] == least])
    return found


@per_folder()
def test_no_docstring_begins_with_a_question_word(folder: Path) -> None:
    wrong = []
    for path in sorted(folder.glob("*.py")):
        for line, text in docstrings(path):
            first = text.splitlines()[0]
            word = re.match(r"\W*(\w+)", first)
            if word and word[1].lower() in QUESTION_WORDS:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {first}")
    assert not wrong, "begin with a verb (functions) or with the thing's name (classes, modules):\n" + "\n".join(wrong)


@per_folder()
def test_the_docstring_of_a_folder_names_each_of_its_modules_and_subfolders(folder: Path) -> None:
    names = contents(folder)
    init = folder / "__init__.py"
    if not names:
        return
    text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    mapped = {name for block in blocks(text) for _, name in block}
    missing = names - mapped
    assert not missing, f"{init.relative_to(ROOT)}: a line `    name    what it is` for each of: {sorted(missing)}"


@per_folder()
def test_the_map_of_a_folder_names_nothing_that_is_not_there(folder: Path) -> None:
    init = folder / "__init__.py"
    text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    names = contents(folder)
    # A block that names one thing of the folder is its map; others show states, keys or commands.
    maps = [block for block in blocks(text) if any(name in names for _, name in block)]
    gone = {
        name
        for block in maps
        for _, name in block
        if name not in names and not (folder / name).exists() and not (folder / f"{name}.py").exists()
    }
    assert not gone, f"{init.relative_to(ROOT)}: named in its map, and not in the folder: {sorted(gone)}"
