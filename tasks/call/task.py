"""The Celery task, the only one. It answers a room in a fresh child, which ends with it."""

from __future__ import annotations

import os

from tasks.call import child
from tasks.call.attempt import run_attempt
from tasks.call.failure import CallFailed
from tasks.queue.app import app
from tasks.queue.message import TASK


@app.task(
    name=TASK,
    bind=True,
    ignore_result=True,
    # Its attempt has logged the reason, and has written what comes next.
    throws=(CallFailed,),
    Strategy="tasks.worker.intake.strategy:start_or_return",
    Request="tasks.worker.pool.call_request:CallRequest",
)
def run_room(self: app.Task, *, sid: str, attempt: int) -> str:
    """Answer the room, unless another attempt has superseded this one. Return the result in a few words.

    Raises CallFailed, when the attempt has written that it failed.
    """
    worker = self.request.hostname or f"pid@{os.getpid()}"
    this = child.current()
    result = this.run(run_attempt(sid, attempt, worker=worker, child=this))
    if this.failure is not None:
        raise this.failure
    return result
