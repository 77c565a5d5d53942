"""Progress messages of a long set-up."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

# In a log, a line each second would hide everything else.
QUIET_SECONDS = 5.0


class Progress(Protocol):
    """A receiver of progress messages."""

    def say(self, text: str) -> None:
        """Report that a step has begun or ended, in one line that stays."""

    def tick(self, text: str) -> None:
        """Report how far the current step is. The message may be dropped."""


class StderrProgress:
    """Lines on stderr, with the seconds since its creation. On a terminal a tick replaces the one before."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._began = time.monotonic()
        self._ticked = self._began
        self._unfinished = False

    def say(self, text: str) -> None:
        """Print `text` on a line of its own."""
        self._write(text, end="\n")

    def tick(self, text: str) -> None:
        """Print `text`: on a terminal in place of the last tick, elsewhere at most once in five seconds."""
        now = time.monotonic()
        if not self._terminal and now - self._ticked < QUIET_SECONDS:
            return
        self._ticked = now
        self._write(text, end="" if self._terminal else "\n")

    def _write(self, text: str, *, end: str) -> None:
        start = "\r\x1b[K" if self._unfinished else ""
        self._unfinished = not end
        self._stream.write(f"{start}[{time.monotonic() - self._began:4.0f} s] {text}{end}")
        self._stream.flush()
