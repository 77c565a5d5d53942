"""The Celery task, the only one. It answers a room in a fresh child, which ends with it."""

from __future__ import annotations

import os

from tasks.call import child
from tasks.call.attempt import run_attempt
from tasks.queue.app import app
from tasks.queue.message import TASK


@app.task(
    name=TASK,
    bind=True,
    ignore_result=True,
    Strategy="tasks.worker.intake.strategy:start_or_return",
    Request="tasks.worker.call_request:CallRequest",
)
def run_room(self: app.Task, *, sid: str, attempt: int) -> str:
    """Answer the room, unless another attempt has superseded this one. Return the result in a few words."""
    worker = self.request.hostname or f"pid@{os.getpid()}"
    this = child.current()
    return this.run(run_attempt(sid, attempt, worker=worker, child=this))
