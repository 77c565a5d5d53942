"""The Celery task, the only one. It answers a room in a fresh child, which ends with it."""

from __future__ import annotations

import logging
import os

from tasks import tracing
from tasks.call import child
from tasks.call.attempt import run_attempt
from tasks.call.failure import CallFailed
from tasks.queue.app import app
from tasks.queue.message import LOST_CLAIM, TASK

logger = logging.getLogger("switchboard.tasks.call")


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
    lost_claim_ms = self.request.get(LOST_CLAIM)
    result = this.run(run_attempt(sid, attempt, worker=worker, child=this, lost_claim_ms=lost_claim_ms))
    # The room has its ending by now, and the agent has left: only this process waits.
    if (exported := tracing.started()) is not None and not exported.flush():
        logger.warning("the last spans were not sent in time", extra={"sid": sid, "attempt": attempt})
    if this.failure is not None:
        raise this.failure
    return result
