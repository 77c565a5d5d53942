"""The state of the prewarm of a worker's children: the default agent's may fail later than at the worker's start.

A child that cannot be prewarmed is no idle child: it waits a little and ends, and the next one tries again. So the
intake gate is closed while none succeeds, and opens by itself. The children write the state into a file that they share
with the main process.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

FIRST_SECONDS, MOST_SECONDS = 1.0, 20.0
"""The pause after a failure: it grows with their number, and is shorter than Celery waits for a child to be up."""
POLL_SECONDS = 0.1
MOST_CHARACTERS = 300

logger = logging.getLogger("switchboard.tasks.worker")


class PrewarmState:
    """The failures to prewarm a child since one succeeded: a line with the reason of each, in `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._failing = False

    @property
    def reasons(self) -> list[str]:
        """The reasons of these failures, the last one last. None while children can be prewarmed."""
        try:
            return self._file.read_text("utf-8", "replace").splitlines()
        except OSError:
            return []

    def fail(self, error: BaseException) -> float:
        """Record that this child failed, and return for how many seconds it shall wait before it ends."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_CHARACTERS]
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{reason}\n")
        return min(MOST_SECONDS, FIRST_SECONDS * len(self.reasons))

    def succeed(self) -> None:
        """Record that this child is ready for its call."""
        with contextlib.suppress(FileNotFoundError):
            self._file.unlink()

    def report(self) -> None:
        """Log a change of the state, in the main process."""
        reasons = self.reasons
        if bool(reasons) == self._failing:
            return
        self._failing = bool(reasons)
        if reasons:
            logger.error("children cannot be prewarmed; no call is taken", extra={"reason": reasons[-1]})
        else:
            logger.info("children are prewarmed again")
