"""Says what happens while it happens."""

from __future__ import annotations

import time

from rich.console import Console
from rich.text import Text

from ops.stack import StackEvent

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red")


class Narrator:
    """One line for each thing that happens, with the seconds since the demo began."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._colours: dict[str, str] = {}

    def say(self, text: str, *, style: str = "") -> None:
        """A line of the demo itself."""
        self._print(Text(text, style=style))

    def stack(self, event: StackEvent) -> None:
        """A process is there, or gone."""
        if event.state == "ready":
            self._print(Text(f"{event.part} is ready, after {event.seconds:.1f} s", style="dim"))

    def call(self, name: str, text: str) -> None:
        """A line about one call, which keeps its colour."""
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self._print(Text.assemble((name, colour), "  ", text))

    def line(self, text: str, *, style: str = "") -> None:
        """A line of the report, to be copied from: whole, even where it is longer than the terminal is wide."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def _print(self, text: Text) -> None:
        since = f"{time.monotonic() - self._began:6.2f} s  "
        # Wrapped lines would make a log of it unreadable, so only a terminal wraps.
        self.console.print(Text.assemble((since, "dim"), text), soft_wrap=not self.console.is_terminal)
