"""Outages of Redis in the log: one line at each change of state, whatever asks how often meanwhile."""

from __future__ import annotations

import logging
import time

PROBLEM_CHARACTERS = 200


class Outage:
    """The outage of Redis that one part of a process sees, if there is one now.

    What reports an answer has to be what could fail: a Redis without memory still answers reads. `address`: host and
    port, for the log. `fields`: what else its lines say.
    """

    def __init__(self, address: object, logger: logging.Logger, **fields: str) -> None:
        self._fields = {"redis": str(address), **fields}
        self._logger = logger
        self._since: float | None = None
        self._problems: set[str] = set()

    @property
    def ongoing(self) -> bool:
        """True from the first failure until the next answer."""
        return self._since is not None

    def failed(self, error: BaseException) -> None:
        """Report a failure, or the error that it caused. It is logged unless this outage has had it before."""
        if self._since is None:
            self._since = time.monotonic()
        error = error.__cause__ or error
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:PROBLEM_CHARACTERS]
        if type(error).__name__ not in self._problems:
            self._problems.add(type(error).__name__)
            self._logger.warning("Redis fails", extra=self._fields | {"problem": problem})

    def answered(self) -> None:
        """Report that Redis has done what it was asked for. It is logged if it had failed before."""
        if self._since is None:
            return
        seconds = round(time.monotonic() - self._since, 1)
        self._since = None
        self._problems.clear()
        self._logger.warning("Redis answers again", extra=self._fields | {"seconds": seconds})
