"""Steps of Celery's consumer: what is set up on each connection to Redis, and again after it was lost."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from celery import Celery, bootsteps
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.consumer.mingle import Mingle
from celery.worker.control import control_command

from tasks.call.drain import DRAIN
from tasks.redis_client import connect_blocking
from tasks.rooms import WorkerStatus
from tasks.settings import Settings
from tasks.worker.heartbeat import BEAT_SECONDS, Heartbeat
from tasks.worker.intake.gate import IntakeGate
from tasks.worker.intake.load import SAMPLE_SECONDS, CpuLoad
from tasks.worker.intake.reservation import Reservations
from tasks.worker.sidecars import inference, turn_detector
from tasks.worker.stale_children import WATCH_SECONDS, Strays, kill

DRAIN_CHECK_SECONDS = 0.25

logger = logging.getLogger("switchboard.tasks.worker")

# Each worker would read the events of all others.
_UNUSED = {"celery.worker.consumer.gossip:Gossip"}


def install(app: Celery) -> None:
    """Put our steps into the workers of this app, and take out those that would only cost time."""
    app.steps["consumer"].update({IntakeStep, DrainStep})
    steps = Consumer.Blueprint.default_steps
    Consumer.Blueprint.default_steps = [step for step in steps if step not in _UNUSED]
    # Mingle waits a second at every start to hear of revoked tasks, which we do not use: a cancel is in the room's
    # state. Other steps require it, so it cannot be left out, but it is off where no transport suits it.
    Mingle.compatible_transports = set()


class IntakeStep(bootsteps.StartStopStep):
    """Samples the load, guards the intake with the gate, and tells Redis about it.

    The timers wake the event loop as well, so that a gate that has opened is noticed within a sample.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        settings = Settings.read()
        self._load = CpuLoad(settings.load_window_seconds, settings.load_file)
        self._reservations = Reservations(settings.call_cores, settings.load_window_seconds)
        self._gate = consumer.intake_gate = IntakeGate(
            consumer.pool, self._load, self._reservations, settings.load_threshold, DRAIN
        )
        redis = connect_blocking(settings)
        self._heartbeat = Heartbeat(redis)
        self._strays = Strays(redis)
        self._timers: list[Any] = []

    def start(self, consumer: Any) -> None:
        """Called with each new connection."""
        self._gate.guard(consumer.task_consumer.channel)
        self._cancel()
        self._timers = [
            consumer.hub.call_repeatedly(SAMPLE_SECONDS, self._sample, consumer),
            consumer.hub.call_repeatedly(BEAT_SECONDS, self._beat, consumer),
            consumer.hub.call_repeatedly(BEAT_SECONDS, inference.watch),
            consumer.hub.call_repeatedly(BEAT_SECONDS, turn_detector.watch),
            consumer.hub.call_repeatedly(WATCH_SECONDS, self._strays.watch),
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

    def _sample(self, consumer: Any) -> None:
        self._load.sample()
        self._reservations.watch(
            {request.id: request.worker_pid for request in state.reserved_requests}, consumer.pool.pids
        )

    def _beat(self, consumer: Any) -> None:
        status = WorkerStatus(
            node=consumer.hostname,
            queues=tuple(queue.name for queue in consumer.task_consumer.queues),
            slots=consumer.pool.limit,
            idle=consumer.pool.idle_children,
            load=self._load.level,
            reserved=self._gate.reserved,
            state=self._gate.intake,
            pid=os.getpid(),
        )
        self._heartbeat.beat(status)


class DrainStep(bootsteps.StartStopStep):
    """Takes over Celery's signals from when the worker is ready, and stops it when its drain is done.

    Celery's own warm shutdown leaves its event loop at once: nobody would see a child die, and no heartbeat would go
    out, for as long as the last call takes.
    """

    requires = (IntakeStep,)

    def __init__(self, consumer: Any, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        self._seconds = Settings.read().drain_seconds
        self._pid = os.getpid()
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Called with each new connection."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._drain_or_hurry())
        signal.signal(signal.SIGQUIT, lambda *_: self._hurry())
        self._timer = consumer.hub.call_repeatedly(DRAIN_CHECK_SECONDS, self._check)

    def stop(self, consumer: Any) -> None:
        """Called when the connection is lost, and when the worker stops."""
        del consumer
        if self._timer is not None:
            self._timer.cancel()

    def _drain_or_hurry(self) -> None:
        if os.getpid() != self._pid:
            # A child that has just been forked, and that Celery has not yet made deaf.
            return
        if DRAIN.begun:
            DRAIN.hurry()
        else:
            DRAIN.begin(self._seconds)
        self._check()

    def _hurry(self) -> None:
        DRAIN.hurry()
        if os.getpid() == self._pid:
            self._check()

    def _check(self) -> None:
        if not DRAIN.begun:
            return
        if not state.reserved_requests:
            state.should_stop = os.EX_OK
        elif DRAIN.overdue:
            for request in list(state.active_requests):
                if request.worker_pid:
                    logger.error("killing a child that ignores the drain", extra={"pid": request.worker_pid})
                    kill(request.worker_pid)


@control_command(args=[("now", bool)], signature="[now]")
def drain(_: Any, *, now: bool = False) -> dict[str, str]:
    """Celery's remote control: what a SIGTERM does to this worker, or with `now` what a SIGQUIT does."""
    os.kill(os.getpid(), signal.SIGQUIT if now else signal.SIGTERM)
    return {"ok": "draining"}
