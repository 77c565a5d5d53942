"""The one Celery task: answer a room. It runs in a fresh child, and its end is the child's end."""

from __future__ import annotations

import os

from tasks.call import child
from tasks.call.attempt import answer
from tasks.celery import app
from tasks.queue.message import TASK
from tasks.worker import bootsteps, lifecycle

bootsteps.install(app)
__all__ = ["lifecycle", "run_room"]


@app.task(name=TASK, bind=True, ignore_result=True, Strategy="tasks.worker.intake.strategy:start_or_put_back")
def run_room(self: app.Task, *, sid: str, attempt: int) -> str:
    """Answer the room `sid`, unless this attempt has been superseded. Returns what became of it, in a few words."""
    worker = self.request.hostname or f"pid@{os.getpid()}"
    ready = child.this()
    return ready.run(answer(sid, attempt, worker=worker, child=ready))
