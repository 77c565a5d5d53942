"""Steps of Celery's consumer: what is set up on each connection to Redis, and again after it was lost."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, bootsteps
from celery.worker.consumer import Consumer

from tasks.connection import connect_blocking
from tasks.rooms import WorkerStatus
from tasks.settings import Settings
from tasks.worker import inference
from tasks.worker.gate import IntakeGate
from tasks.worker.heartbeat import BEAT_SECONDS, Heartbeat
from tasks.worker.load import SAMPLE_SECONDS, CpuLoad

# Mingle waits a second at every start to hear of revoked tasks, which we do not use: a cancel is in the room's state.
# Gossip has each worker read the events of all others.
_UNUSED = {"celery.worker.consumer.mingle:Mingle", "celery.worker.consumer.gossip:Gossip"}


def install(app: Celery) -> None:
    """Put our step into the workers of this app, and take out those that would only cost time."""
    app.steps["consumer"].add(IntakeStep)
    steps = Consumer.Blueprint.default_steps
    Consumer.Blueprint.default_steps = [step for step in steps if step not in _UNUSED]


class IntakeStep(bootsteps.StartStopStep):
    """Samples the load, guards the intake with the gate, and tells Redis about it.

    The timers wake the event loop as well, so that a gate that has opened is noticed within a sample.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        settings = Settings.read()
        self._load = CpuLoad(settings.load_window_seconds, settings.load_file)
        self._gate = IntakeGate(consumer.pool, self._load, settings.load_threshold)
        self._heartbeat = Heartbeat(connect_blocking(settings))
        self._timers: list[Any] = []

    def start(self, consumer: Any) -> None:
        """Called with each new connection."""
        self._gate.guard(consumer.task_consumer.channel)
        self._cancel()
        self._timers = [
            consumer.hub.call_repeatedly(SAMPLE_SECONDS, self._load.sample),
            consumer.hub.call_repeatedly(BEAT_SECONDS, self._beat, consumer),
            consumer.hub.call_repeatedly(BEAT_SECONDS, inference.watch),
        ]

    def stop(self, consumer: Any) -> None:
        """Called when the connection is lost, and when the worker stops."""
        del consumer
        self._cancel()

    def shutdown(self, consumer: Any) -> None:
        """Called once, when the worker stops for good."""
        self._cancel()
        self._heartbeat.forget(consumer.hostname)

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _beat(self, consumer: Any) -> None:
        status = WorkerStatus(
            node=consumer.hostname,
            queues=tuple(queue.name for queue in consumer.task_consumer.queues),
            slots=consumer.pool.limit,
            idle=consumer.pool.idle_children,
            load=self._load.average,
            state=self._gate.intake,
            pid=os.getpid(),
        )
        self._heartbeat.beat(status)
