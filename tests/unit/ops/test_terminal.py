"""Output of the commands: names come from outside, and must not control the terminal that shows them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ops.commands import terminal

HOSTILE = ["\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "a\r\nb", "\x08\x08", "\u202egnp.exe", "\0"]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_a_name_controls_the_terminal(name: str) -> None:
    table = terminal.plain_table("room")
    table.add_row(*terminal.cells([name]))
    written = io.StringIO()
    Console(file=written, width=80).print(table)
    shown = [written.getvalue().splitlines()[1].rstrip(), terminal.table_lines(["room"], [[name]])[1]]
    for line in shown:
        assert line.isprintable()
        assert terminal.UNPRINTABLE in line


def test_lines_are_aligned_to_the_right_where_that_is_asked_for() -> None:
    assert terminal.table_lines(("room", "age"), [("a", "1 s"), ("東京", "12 min")], right=["age"]) == [
        "room     age",
        "a        1 s",
        "東京  12 min",
    ]
