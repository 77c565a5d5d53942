"""A Deployment of workers on this machine: pods start, drain on SIGTERM, and are killed after their grace."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.stack import Stack, Worker, WorkerSpec
from ops.stack.redis import RedisServer
from tests.autoscaling.rendered import PodTemplate


class PodStack(Stack):
    """A stack whose workers take as long to start as a pod may."""

    start_seconds = 60.0

    def _worker(self, spec: WorkerSpec) -> Worker:
        worker = _PodWorker(spec, self.directory, self._base, redis=self.redis)
        worker.ready_seconds = self.start_seconds
        return worker


class _PodWorker(Worker):
    """A worker in a pod. Its node is known by the pod's name."""

    def __init__(self, spec: WorkerSpec, directory: Path, env: Mapping[str, str], *, redis: RedisServer) -> None:
        super().__init__(spec, directory, env, redis=redis)
        self.node = f"celery@{spec.name}"


@dataclass(slots=True)
class Pod:
    """One pod, with the times of its life. `killed`: it has outlived its grace."""

    name: str
    created: float
    ready: float | None = None
    stopped: float | None = None
    ended: float | None = None
    killed: bool = False

    @property
    def active(self) -> bool:
        """True until it is told to stop. What drains is no pod of the Deployment any more."""
        return self.stopped is None

    @property
    def node(self) -> str:
        """The node name of its worker."""
        return f"celery@{self.name}"


class Pods:
    """The Deployment's pods."""

    def __init__(
        self, stack: PodStack, template: PodTemplate, env: Mapping[str, str], now: Callable[[], float]
    ) -> None:
        self.all: list[Pod] = []
        self._stack = stack
        self._template = template
        self._env = {**template.env, **env}
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()
        # Those of Secrets and of the LiveKit server are the stack's.
        self._env.pop("LIVEKIT_URL", None)

    @property
    def active(self) -> list[Pod]:
        """The pods that count as replicas."""
        return [pod for pod in self.all if pod.active]

    @property
    def ready(self) -> list[Pod]:
        """The replicas that take calls."""
        return [pod for pod in self.active if pod.ready is not None]

    @property
    def draining(self) -> list[Pod]:
        """The pods that are told to stop, and have not ended."""
        return [pod for pod in self.all if not pod.active and pod.ended is None]

    def scale(self, replicas: int) -> None:
        """Start pods, or stop some: those that are not ready first, then the youngest, as a ReplicaSet chooses."""
        while len(self.active) < replicas:
            pod = Pod(f"premium-{len(self.all) + 1}", self._now())
            self.all.append(pod)
            self._run(self._start(pod))
        by_rank = sorted(self.active, key=lambda pod: (pod.ready is None, pod.created), reverse=True)
        for pod in by_rank[: len(by_rank) - replicas]:
            pod.stopped = self._now()
            self._run(self._stop(pod))

    async def settled(self) -> None:
        """Wait until no pod starts or ends."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _start(self, pod: Pod) -> None:
        spec = WorkerSpec(pod.name, self._template.queues, slots=self._template.slots, env=self._env)
        await self._stack.add_worker(spec)
        pod.ready = self._now()

    async def _stop(self, pod: Pod) -> None:
        worker = self._stack.workers[pod.name]
        worker.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._template.grace_seconds):
                await worker.exited()
        except TimeoutError:
            pod.killed = True
            worker.kill()
            await worker.exited()
        pod.ended = self._now()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
