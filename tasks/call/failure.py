"""The failure of a call, as the worker's main process and Flower learn of it.

Its attempt has written what comes next before: the task fails so that the reason can be read there, and so that the
worker's circuit breaker knows.
"""

from __future__ import annotations


class CallFailed(Exception):
    """The failure of one attempt: `of_host` if the fault is the host's or the LiveKit server's.

    `shown`: what Flower shows, if that is more than the reason.
    """

    def __init__(self, reason: str, of_host: bool, shown: str = "") -> None:  # noqa: FBT001 - pickle passes them on by position
        super().__init__(reason, of_host, shown)
        self.reason = reason
        self.of_host = of_host
        self.shown = shown or reason

    def __str__(self) -> str:
        return self.shown
