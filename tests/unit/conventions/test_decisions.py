"""Decisions: short, with status and date, and each in the index."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.unit.conventions.source_tree import ROOT

FOLDER = ROOT / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
MOST_WORDS = 250
each_decision = pytest.mark.parametrize("decision", [pytest.param(path, id=path.name) for path in DECISIONS])


def head(decision: Path) -> tuple[str, str, str, str]:
    """Number, title, status and date."""
    found = re.match(
        r"# (\d+)\. (.+)\n\nStatus: (accepted|superseded by \d+), (\d{4}-\d\d-\d\d)\n\n",
        decision.read_text(encoding="utf-8"),
    )
    assert found, "it begins with `# <number>. <title>`, and then `Status: accepted, <date>`"
    return found[1], found[2], found[3], found[4]


@each_decision
def test_a_decision_has_a_number_a_title_a_status_and_a_date(decision: Path) -> None:
    number, title, _, day = head(decision)
    assert decision.name.startswith(f"{int(number):04d}-")
    assert len(title.split()) > 2
    assert date.fromisoformat(day).isoformat() == day


@each_decision
def test_a_decision_has_context_decision_reason_and_consequences_in_under_250_words(decision: Path) -> None:
    text = decision.read_text(encoding="utf-8")
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Reason", "Consequences"]
    assert len(text.split()) < MOST_WORDS


def test_the_index_has_each_decision_with_its_title_status_and_date() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d+)\]\((.+?)\) \| (.+?) \| (.+?) \| (.+?) \|$", index, re.MULTILINE)
    expected = []
    for path in DECISIONS:
        number, title, status, day = head(path)
        expected.append((number, path.name, title, status, day))
    assert listed == expected


def test_the_numbers_of_decisions_have_no_gap() -> None:
    assert [int(head(path)[0]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
