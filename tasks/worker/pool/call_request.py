"""A message of `run_room` in the worker's main process, which learns there how its call ended."""

from __future__ import annotations

import ast
from typing import Any

from billiard.exceptions import Terminated, WorkerLostError
from celery.worker.request import Request

from tasks.call.failure import CallFailed
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
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        answer = super().on_failure(exc_info, send_failed_event, return_ok)
        self._record(error)
        if isinstance(error, CHILD_DIED) and self.worker_pid:
            process = self.app.switchboard
            sid, attempt = self.kwargs["sid"], self.kwargs["attempt"]
            room_actions.requeue_lost_call(
                sid,
                attempt,
                node=self.hostname,
                pid=self.worker_pid,
                reason=process.killer.reason(sid, attempt) or str(error) or type(error).__name__,
                settings=process.settings,
            )
        return answer

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
