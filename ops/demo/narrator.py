"""Progress of the demo on the terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.text import Text

from ops.stack import StackEvent

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red")


class Narrator:
    """A printer of events: one line for each, with the seconds since the demo began."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._colours: dict[str, str] = {}

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line about the demo itself."""
        self._print(Text(text, style=style))

    def stack(self, event: StackEvent) -> None:
        """Print that a part of the stack is ready."""
        if event.state == "ready":
            self._print(Text(f"{event.part} is ready, after {event.seconds:.1f} s", style="dim"))

    def call(self, name: str, text: str) -> None:
        """Print a line about one call, in that call's colour."""
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self._print(Text.assemble((name, colour), "  ", text))

    def line(self, text: str, *, style: str = "") -> None:
        """Print a line of the report without breaking it, so that it can be copied."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def _print(self, text: Text) -> None:
        elapsed = f"{time.monotonic() - self._began:6.2f} s  "
        # Only a terminal wraps; wrapped lines would make a log file unreadable.
        self.console.print(Text.assemble((elapsed, "dim"), text), soft_wrap=not self.console.is_terminal)
