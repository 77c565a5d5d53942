"""The Celery task, the only one. It answers a room in a fresh child, which ends with it."""

from __future__ import annotations

import os

from celery.exceptions import Retry

from tasks.call import child
from tasks.call.attempt import run_attempt
from tasks.call.failure import CallFailed
from tasks.call.result import TaskEnd
from tasks.queue.app import app
from tasks.queue.message import TASK


@app.task(
    name=TASK,
    bind=True,
    ignore_result=True,
    # Its attempt has logged the reason, and has written what comes next.
    throws=(CallFailed,),
    Strategy="tasks.worker.intake.strategy:start_or_return",
    Request="tasks.worker.call_request:CallRequest",
)
def run_room(self: app.Task, *, sid: str, attempt: int) -> str:
    """Answer the room, unless another attempt has superseded this one. Return the result in a few words.

    Raises Retry if another attempt goes on with the call, and CallFailed if none does. The room is queued again
    already: Retry itself sends nothing, only `Task.retry` would.
    """
    worker = self.request.hostname or f"pid@{os.getpid()}"
    this = child.current()
    result = this.run(run_attempt(sid, attempt, worker=worker, child=this))
    if result.end is TaskEnd.RETRIED:
        raise Retry(result.shown, this.failure)
    if result.end is TaskEnd.FAILED:
        of_host = this.failure is not None and this.failure.of_host
        raise CallFailed(this.failure.reason if this.failure else result, of_host, result.shown)
    return result.shown
