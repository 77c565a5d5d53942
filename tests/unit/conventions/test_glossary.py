"""The words: each in the glossary once, and none of those that were given up is used for one of them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.unit.conventions.documents import DOCUMENTS
from tests.unit.conventions.source_tree import PACKAGES, ROOT, modules

GLOSSARY = ROOT / "docs" / "glossary.md"
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
GIVEN_UP = {
    r"bur(?:y|ies|ied|ying)": "dead letter",
    r"heal(?:s|ed|ing)?": "repair",
    r"strays?": "stale children",
    r"who(?:m|ever|msoever)": "name who it is",
    r"in line(?! with| \d)|in (?:its|their) line|(?:waits?|waiting|first|next|where) in the line": "waitlist",
    r"(?:the|its|no|many|wrong|\d+) places|places (?:and|are|of|taken|were)": "permits",
    r"ears?|mouths?": "STT, audio output",
    r"(?:re|un)?seal(?:s|ed|ing)?": "encrypt, decrypt",
    r"key rings?": "provider key cipher",
}


def entries() -> list[str]:
    return re.findall(r"^- \*\*(.+?)\*\*: ", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)


def test_each_term_is_in_the_glossary_once_and_they_are_sorted() -> None:
    terms = entries()
    assert len(terms) > 50
    assert len(set(terms)) == len(terms)
    assert terms == sorted(terms, key=str.casefold)


def test_each_line_of_the_glossary_belongs_to_a_term_of_at_most_three_lines() -> None:
    _, _, listed = GLOSSARY.read_text(encoding="utf-8").partition("\n- ")
    for entry in re.split(r"^- ", "- " + listed, flags=re.MULTILINE)[1:]:
        assert re.match(r"\*\*.+?\*\*: ", entry), entry
        assert len(entry.rstrip().splitlines()) <= 3, entry


def is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def of_code(text: str) -> Iterator[tuple[int, str]]:
    """Comments, docstrings (those of fields and constants too) and log messages, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and is_text(node.value):
            yield from enumerate(str(node.value.value).splitlines(), node.lineno)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS:
            yield from ((node.lineno, str(argument.value)) for argument in node.args[:1] if is_text(argument))


@cache
def prose(path: Path) -> list[tuple[int, str]]:
    """What a file says to a reader, line by line, without what stands in backticks: that is code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        lines = list(of_code(text))
    elif path.suffix == ".lua":
        lines = [(number, line.partition("--")[2]) for number, line in enumerate(text.splitlines(), 1)]
    else:
        lines = list(enumerate(text.splitlines(), 1))
    return [(number, re.sub(r"`[^`]*`", "", line).strip()) for number, line in lines]


SOURCES = [
    *modules(*PACKAGES),
    *sorted((ROOT / "tasks").rglob("*.lua")),
    *DOCUMENTS,
]


@pytest.mark.parametrize("folder", sorted({str(path.parent.relative_to(ROOT)) for path in SOURCES}))
@pytest.mark.parametrize(("word", "better"), [pytest.param(*item, id=item[1]) for item in GIVEN_UP.items()])
def test_no_word_that_was_given_up_is_used(folder: str, word: str, better: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r} in {line}"
        for path in SOURCES
        if str(path.parent.relative_to(ROOT)) == folder
        for number, line in prose(path)
        if (match := re.search(rf"\b(?:{word})\b", line, re.IGNORECASE))
    ]
    assert not wrong, f"say {better}:\n" + "\n".join(wrong)
