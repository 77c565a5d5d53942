"""Bootsteps of Celery's consumer: each is started with every connection to Redis, and stopped when that is lost."""

from __future__ import annotations

import os
import signal
from typing import Any

from celery import Celery, bootsteps
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.consumer.mingle import Mingle
from celery.worker.control import control_command

from tasks.redis_client import connect_blocking
from tasks.rooms import WorkerStatus
from tasks.worker.consumer import mend_kombu
from tasks.worker.drain_step import DrainStep
from tasks.worker.intake.celery_stats import intake_stats
from tasks.worker.intake.gate import IntakeGate
from tasks.worker.intake.load import SAMPLE_SECONDS, CpuLoad
from tasks.worker.intake.others import Others, OtherWorkers
from tasks.worker.intake.reservation import Reservations
from tasks.worker.intake.stale_messages import StaleMessages
from tasks.worker.lifecycle import WorkerProcess
from tasks.worker.presence.heartbeat import BEAT_SECONDS, Heartbeat
from tasks.worker.presence.worker_presence import WorkerPresence
from tasks.worker.supervision.supervisor import CHECK_SECONDS, Supervisor

# Each worker would read the events of all others.
_UNUSED = {"celery.worker.consumer.gossip:Gossip"}


def install(app: Celery) -> None:
    """Add our bootsteps to the workers of this app, and remove those that would only cost time."""
    mend_kombu()
    app.steps["consumer"].update({IntakeStep, DrainStep})
    steps = Consumer.Blueprint.default_steps
    Consumer.Blueprint.default_steps = [step for step in steps if step not in _UNUSED]
    # Mingle waits a second at every start to hear of revoked tasks, which we do not use: a cancel is in the room's
    # state. Other steps require it, so it cannot be left out, but it is off where no transport suits it.
    Mingle.compatible_transports = set()


class IntakeStep(bootsteps.StartStopStep):
    """The intake gate in front of every BRPOP, and the timers of the worker's main process.

    The timers wake the event loop as well, so that a gate that has opened is noticed within a sample.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        self._process: WorkerProcess = consumer.app.switchboard
        settings = self._process.settings
        self._load = CpuLoad(settings.worker.load_window_seconds, settings.worker.load_file)
        self._reservations = Reservations(settings.worker.call_cores, settings.worker.load_window_seconds)
        self._gate = consumer.intake_gate = IntakeGate(
            consumer.pool,
            self._load,
            self._reservations,
            settings.worker.load_threshold,
            self._process.drain,
            self._process.breaker,
            self._process.prewarm_state,
        )
        redis = connect_blocking(settings.redis)
        consumer.stale_messages = StaleMessages(redis)
        consumer.other_workers = OtherWorkers(redis, consumer.hostname)
        self._heartbeat = Heartbeat(redis, consumer.outage)
        self._presence = WorkerPresence(redis, settings, self._heartbeat)
        self._supervision = Supervisor(
            self._process,
            consumer.pool,
            redis,
            consumer.outage,
            worker=consumer.hostname,
            start_seconds=consumer.app.conf.worker_proc_alive_timeout,
        )
        consumer.chores += [
            self._process.liveness.mark,
            self._process.ensure_sidecars_running,
            # Celery's pool has it only once it has started.
            lambda: consumer.pool.maintain_pool(),  # noqa: PLW0108
            self._supervision.check_without_redis,
        ]
        self._timers: list[Any] = []
        self._status: WorkerStatus | None = None

    def info(self, obj: Any) -> dict[str, Any]:
        """Return the worker's part of `inspect stats`. Flower shows the pool's first, so ours are among those."""
        if self._status is None:
            return {}
        return {"pool": intake_stats(self._status, self._process.drain) | obj.pool.info}

    def start(self, consumer: Any) -> None:
        """Guard the new connection, and start the timers."""
        self._process.liveness.mark()
        self._gate.guard(consumer.task_consumer.channel)
        consumer.pool.ask_before_growing(lambda: self._gate.would_take)
        self._heartbeat.resume()
        self._cancel()
        self._beat(consumer)
        self._presence.require_name(consumer.hostname)
        self._timers = [
            consumer.hub.call_repeatedly(SAMPLE_SECONDS, self._sample, consumer),
            consumer.hub.call_repeatedly(BEAT_SECONDS, self._process.liveness.mark),
            consumer.hub.call_repeatedly(BEAT_SECONDS, self._beat, consumer),
            consumer.hub.call_repeatedly(BEAT_SECONDS, self._process.ensure_sidecars_running),
            consumer.hub.call_repeatedly(CHECK_SECONDS, self._supervision.check),
        ]

    def stop(self, consumer: Any) -> None:
        """Stop the timers, when the connection is lost or the worker stops."""
        del consumer
        self._cancel()

    def shutdown(self, consumer: Any) -> None:
        """Stop the timers and remove the heartbeat, once, when the worker stops for good."""
        self._cancel()
        self._heartbeat.remove(consumer.hostname)

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _sample(self, consumer: Any) -> None:
        self._load.sample()
        self._process.breaker.update({request.id for request in state.reserved_requests})
        self._reservations.update(
            {request.id: request.worker_pid for request in state.reserved_requests}, consumer.pool.pids
        )
        # Spares are fewer when it is quiet, and when memory is short.
        consumer.pool.maintain_pool()

    def _beat(self, consumer: Any) -> None:
        queues = tuple(queue.name for queue in consumer.task_consumer.queues)
        if self._process.breaker.reason:
            self._gate.is_alone = all(consumer.other_workers.of(queue) is Others.NONE for queue in queues)
        status = WorkerStatus(
            node=consumer.hostname,
            queues=queues,
            slots=consumer.pool.slots,
            idle=consumer.pool.idle_children,
            load=self._load.level,
            reserved=self._gate.reserved,
            state=self._gate.intake,
            pid=os.getpid(),
            problem=self._gate.problem,
            differences=self._presence.differences,
            busy=len(state.reserved_requests),
            late_renewals=self._process.scoreboard.late_renewals,
        )
        self._status = status
        self._heartbeat.beat(status)
        self._presence.report()
        self._process.prewarm_state.report()


@control_command(args=[("now", bool)], signature="[now]")
def drain(_: Any, *, now: bool = False) -> dict[str, str]:
    """Drain this worker as a SIGTERM does, or with `now` as a SIGQUIT does. A command of Celery's remote control."""
    os.kill(os.getpid(), signal.SIGQUIT if now else signal.SIGTERM)
    return {"ok": "draining"}
