"""A message of `run_room` in the worker's main process: it queues the room again when the child has died."""

from __future__ import annotations

from typing import Any

from billiard.exceptions import Terminated, WorkerLostError
from celery.worker.request import Request

from tasks.worker import room_actions

CHILD_DIED = (WorkerLostError, Terminated, SystemExit, KeyboardInterrupt)
"""The exceptions with which Celery reports a child that has ended, instead of a task that has failed.

Any other comes from a child, where the attempt has handled it.
"""


class CallRequest(Request):
    """Celery's request, which knows the pid of its child."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's
        """Queue the room again if the child has died with its call."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        answer = super().on_failure(exc_info, send_failed_event, return_ok)
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
