"""The end of a call whose child does not end it: its processes are killed, and the reason is kept for its requeue."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from celery.worker import state

from tasks.worker.pool import call_processes
from tasks.worker.pool.one_shot_pool import OneShotPool

logger = logging.getLogger("switchboard.tasks.worker")


@dataclass(frozen=True, slots=True)
class RunningCall:
    """An attempt that a child of this worker runs. `seconds`: since the child has accepted it."""

    pid: int
    index: int
    sid: str
    attempt: int
    seconds: float

    @property
    def fields(self) -> dict[str, object]:
        """The fields of a log line."""
        return {"pid": self.pid, "sid": self.sid, "attempt": self.attempt}


def running_calls(pool: OneShotPool) -> list[RunningCall]:
    """Return the attempts that children of this worker run."""
    index = {child.pid: child.index for child in pool.children}
    requests: Iterable[Any] = list(state.active_requests)
    return [
        RunningCall(
            request.worker_pid,
            index[request.worker_pid],
            request.kwargs["sid"],
            request.kwargs["attempt"],
            time.time() - request.time_start,
        )
        for request in requests
        if request.worker_pid in index
    ]


class CallKiller:
    """The killer of calls' processes, which keeps the reason for the requeue of the call."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, int], str] = {}

    def kill(self, call: RunningCall, reason: str) -> None:
        """Kill the child of a call and all processes of its agent. Called again, it tries again."""
        if (call.sid, call.attempt) not in self._reasons:
            logger.error("killing the child of a call", extra=call.fields | {"reason": reason})
            self._reasons[call.sid, call.attempt] = reason
        for pid in call_processes.tree(call.pid)[1:]:
            call_processes.kill(pid)
        call_processes.kill(call.pid)

    def reason(self, sid: str, attempt: int) -> str | None:
        """Return why the attempt's child was killed, once; None if it was not."""
        return self._reasons.pop((sid, attempt), None)
