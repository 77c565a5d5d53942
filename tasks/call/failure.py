"""The failure of a call, as Celery and Flower show it.

Its attempt has written what comes next before: the task fails so that the reason can be read there, and so that the
worker's main process knows.
"""

from __future__ import annotations


class CallFailed(Exception):
    """The failure of one attempt: `of_host` if the fault is the host's or the LiveKit server's."""

    def __init__(self, reason: str, of_host: bool) -> None:  # noqa: FBT001 - pickle passes the arguments on by position
        super().__init__(reason, of_host)
        self.reason = reason
        self.of_host = of_host

    def __str__(self) -> str:
        return self.reason
