"""Output of the commands on a terminal or into a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 240
UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def console() -> Console:
    """Return a console for tables. A pipe gets wide, unfolded lines: one for each row."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return a table without lines, whose cells are folded where the terminal is too narrow."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def cells(texts: Iterable[str]) -> list[Text]:
    """Return the cells of a row of such a table: without markup, and nothing that would control the terminal."""
    return [Text(printable(text)) for text in texts]


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = ()) -> list[str]:
    """Return the lines of a table, with as much room for each column as its longest cell takes; not folded.

    For tables of thousands of rows, which take `plain_table` a millisecond each. `right`: the headers of the columns
    that are aligned to the right.
    """
    columns = zip(headers, *(map(printable, row) for row in rows), strict=True)
    to_the_right = set(right)
    aligned = [_to_the_right(column) if column[0] in to_the_right else _to_the_left(column) for column in columns]
    return ["  ".join(line).rstrip() for line in zip(*aligned, strict=True)]


def printable(text: str) -> str:
    """Return the text without what would control the terminal: names come from outside."""
    return text if text.isprintable() else "".join(each if each.isprintable() else UNPRINTABLE for each in text)


def coloured(text: str, style: str | None) -> str:
    """Return the text in this style if stdout is a terminal, else as it is."""
    return Style.parse(style).render(text) if style and sys.stdout.isatty() else text


def _to_the_left(column: Sequence[str]) -> list[str]:
    return [cell + room for cell, room in zip(column, _room_beside(column), strict=True)]


def _to_the_right(column: Sequence[str]) -> list[str]:
    return [room + cell for cell, room in zip(column, _room_beside(column), strict=True)]


def _room_beside(column: Sequence[str]) -> list[str]:
    lengths = list(map(cell_len, column))
    width = max(lengths)
    return [" " * (width - length) for length in lengths]


def print_redis_unreachable(error: Exception) -> None:
    """Print on stderr that Redis cannot be reached, and the cure."""
    print(f"Redis cannot be reached ({type(error).__name__}). Start it, or set REDIS_URL.", file=sys.stderr)
