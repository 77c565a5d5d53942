"""A message of `run_room` in the worker's main process, which learns there how its call ended.

Celery's events about it, which Flower hears, say in `result` how: also where a task has failed or is retried, for which
Celery has an exception and a traceback. The traceback is left out: its lines are Celery's and the task's own, and those
of an error in the call are in the log.
"""

from __future__ import annotations

import ast
import time
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import Terminated, WorkerLostError
from celery.exceptions import Retry
from celery.worker.request import Request
from celery.worker.state import task_ready

from tasks.call.failure import CallFailed
from tasks.call.result import Result, TaskEnd
from tasks.worker import room_actions
from tasks.worker.breaker import Failure

CHILD_DIED = (WorkerLostError, Terminated, SystemExit, KeyboardInterrupt)
"""The exceptions with which Celery reports a child that has ended, instead of a task that has failed.

Any other comes from a child, where the attempt has handled it.
"""


class CallRequest(Request):
    """Celery's request, which knows the pid of its child."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's
        """Tell the circuit breaker, and queue the room again if the child has died with its call."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, CHILD_DIED):
            task_ready(self)
            return self._child_died(error)
        answer = super().on_failure(exc_info, False, return_ok)  # noqa: FBT003 - Celery's
        if isinstance(error, Retry):
            if error.exc is not None:
                self._record(error.exc)
        else:
            self._record(error)
            if send_failed_event:
                self._send_end(TaskEnd.FAILED, str(error) if isinstance(error, CallFailed) else repr(error))
        return answer

    def on_retry(self, exc_info: Any) -> None:
        """Send the event of a lost call. Its room is queued again already."""
        self._send_end(TaskEnd.RETRIED, str(exc_info.exception))

    def _child_died(self, error: BaseException) -> None:
        self._record(error)
        process = self.app.switchboard
        sid, attempt = self.kwargs["sid"], self.kwargs["attempt"]
        reason = process.killer.reason(sid, attempt) or str(error) or type(error).__name__
        if self.worker_pid:
            result = room_actions.requeue_lost_call(
                sid, attempt, node=self.hostname, pid=self.worker_pid, reason=reason, settings=process.settings
            )
        else:
            # It had no call. The room is still queued, and the reconciler misses its message.
            result = Result("lost", TaskEnd.RETRIED, f"lost: {reason}")
        self._send_end(result.end, result.shown)

    def _send_end(self, end: TaskEnd, shown: str) -> None:
        runtime = time.time() - self.time_start if self.time_start else None
        self.send_event(f"task-{end}", result=shown, exception=shown, runtime=runtime)

    def _record(self, error: BaseException) -> None:
        reason, of_host = (error.reason, error.of_host) if isinstance(error, CallFailed) else (str(error), False)
        tenant = tenant_of(self._request_dict.get("kwargsrepr"))
        failure = Failure(str(self.kwargs.get("sid", self.id)), tenant, reason, of_host=of_host)
        self.app.switchboard.breaker.failed(self.id, failure)


def tenant_of(kwargsrepr: str | None) -> str:
    """Return the tenant of a message, from what Flower shows of it; "" if it does not say."""
    try:
        shown = ast.literal_eval(kwargsrepr or "")
        return str(shown["tenant"])
    except (ValueError, SyntaxError, TypeError, KeyError):
        return ""
