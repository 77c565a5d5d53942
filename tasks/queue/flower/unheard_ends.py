"""Tasks whose end Flower has not heard, which it would show as STARTED for ever.

A killed worker says nothing more, and Redis keeps no event for a Flower that is away. So a task that looks as if it ran
is doubted, and ended here, when

    a later attempt at its room was started          RETRIED: this one was lost
    its worker sends no heartbeat and does not       RETRIED: it was lost with its worker, and its room is queued
      answer, while Redis does                         again when its lease has expired
    its worker answers, and does not have it         UNKNOWN: it has ended while Flower did not hear

It takes two checks, as an event may be on its way. Should an event come after all, Flower believes that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

CHECK_SECONDS = 2.5
SETTLED_SECONDS = 5.0
"""The age of an event from which on another one is not just on its way."""
CONFIRM_SECONDS = 60.0
"""The time after which a worker that sends heartbeats is asked for its tasks again."""
ANSWER_SECONDS = 1.0
CHECKS = 2

RUNNING = ("RECEIVED", "STARTED")
SUPERSEDED = "lost: a later attempt was started"
WORKER_GONE = "lost: its worker is gone"
UNHEARD = "its end was not heard; switchboard ps --all"

logger = logging.getLogger("switchboard.tasks.queue")

Ask = Callable[[Collection[str]], Mapping[str, Collection[str]]]
"""Ask workers for the ids of their tasks. Those that do not answer are left out. Raises OSError if Redis is away."""


@dataclass(slots=True)
class UnheardEnds:
    """The watch over the tasks of Flower's `events`. Everything but `ask` runs in Flower's event loop."""

    events: Any
    ask: Ask
    _confirmed: dict[str, float] = field(default_factory=dict)
    _doubts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, app: Any, events: Any) -> Self:
        """Return the watch that asks by the remote control of this Celery app."""

        def ask(workers: Collection[str]) -> dict[str, set[str]]:
            try:
                answers = app.control.inspect(destination=list(workers), timeout=ANSWER_SECONDS).active(safe=True)
            except (OperationalError, RedisError) as error:
                raise OSError(str(error)) from error
            return {worker: {task["id"] for task in tasks} for worker, tasks in (answers or {}).items()}

        return cls(events, ask)

    async def run(self) -> None:
        """Check every CHECK_SECONDS, for as long as Flower runs."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except Exception:
                logger.exception("tasks whose end was not heard are not looked for")

    async def check(self) -> None:
        """End the tasks whose end has not been heard."""
        running = {task.uuid: task for _, task in self.events.state.itertasks() if task.state in RUNNING}
        self._confirmed = {uuid: at for uuid, at in self._confirmed.items() if uuid in running}
        self._doubts = Counter({uuid: count for uuid, count in self._doubts.items() if uuid in running})
        now = time.time()
        for task in list(running.values()):
            if self._is_superseded(task, now):
                self._end(task, "retried", SUPERSEDED)
        doubted = [task for task in running.values() if task.state in RUNNING and self._is_doubtful(task, now)]
        if not doubted:
            return
        workers = sorted({task.worker.hostname for task in doubted})
        try:
            answers = await asyncio.to_thread(self.ask, workers)
        except OSError as error:
            logger.debug("workers not asked for their tasks", extra={"error": str(error)})
            return
        for task in doubted:
            # An event may have come meanwhile.
            if task.state in RUNNING:
                self._judge(task, answers.get(task.worker.hostname))

    def _is_superseded(self, task: Any, now: float) -> bool:
        sid, _, attempt = task.uuid.rpartition(":")
        later = self.events.state.tasks.data.get(f"{sid}:{int(attempt) + 1}") if attempt.isdecimal() else None
        return later is not None and now - (later.received or now) > SETTLED_SECONDS

    def _is_doubtful(self, task: Any, now: float) -> bool:
        # Workers are asked for the tasks that their children have accepted.
        settled = SETTLED_SECONDS if task.state == "STARTED" else CONFIRM_SECONDS
        if task.worker is None or now - (task.timestamp or now) < settled:
            return False
        return not task.worker.alive or now - self._confirmed.get(task.uuid, 0) > CONFIRM_SECONDS

    def _judge(self, task: Any, active: Collection[str] | None) -> None:
        if active is None and task.worker.alive:
            return
        if active is not None and task.uuid in active:
            self._confirmed[task.uuid] = time.time()
            del self._doubts[task.uuid]
            return
        self._doubts[task.uuid] += 1
        if self._doubts[task.uuid] >= CHECKS:
            if active is None:
                self._end(task, "retried", WORKER_GONE)
            else:
                self._end(task, "unknown", UNHEARD)

    def _end(self, task: Any, end: str, result: str) -> None:
        now = time.time()
        self.events.state.event(
            {
                "type": f"task-{end}",
                "uuid": task.uuid,
                "hostname": task.worker.hostname,
                "timestamp": now,
                # Anything else would count as a sign of life of its worker.
                "local_received": None,
                "clock": task.clock,
                "result": result,
            }
        )
