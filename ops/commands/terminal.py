"""Output of the commands on a terminal or into a pipe."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 240


def console() -> Console:
    """Return a console for tables. A pipe gets wide, unfolded lines: one for each row."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return a table without lines, whose cells are folded where the terminal is too narrow."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_redis_unreachable(error: Exception) -> None:
    """Print on stderr that Redis cannot be reached, and the cure."""
    print(f"Redis cannot be reached ({type(error).__name__}). Start it, or set REDIS_URL.", file=sys.stderr)
