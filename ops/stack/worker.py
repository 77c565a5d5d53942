"""One Celery worker, as on a host of its own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from redis.exceptions import RedisError

from ops.stack.process import ManagedProcess
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker to start: its queues in their order, its slots, and what is different in its environment.

    `inside`: a command that runs another one, such as `ip netns exec <name>`, which puts it into another network.
    """

    name: str
    queues: tuple[str, ...]
    slots: int = 2
    env: Mapping[str, str] = field(default_factory=dict)
    inside: tuple[str, ...] = ()


class Worker(ManagedProcess):
    """One worker. Its SIGTERM drains: it waits for its calls, as long as `stop_seconds` allows."""

    ready_seconds = 60.0

    def __init__(self, spec: WorkerSpec, directory: Path, env: Mapping[str, str], *, redis: RedisServer) -> None:
        super().__init__(f"worker-{spec.name}", directory, {**env, "SWITCHBOARD_SLOTS": str(spec.slots), **spec.env})
        self.spec = spec
        self.node = f"{spec.name}@{socket.gethostname()}"
        self._redis = redis

    def command(self) -> list[str]:
        """The command of production, and a node name: by default it is the host's, and here workers share a host."""
        celery = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-Q", ",".join(self.spec.queues)]
        return [*self.spec.inside, *celery, "-n", self.node]

    async def is_ready(self) -> bool:
        """Its heart beats. Whether it takes calls then is up to the load of its host and the calls that it has."""
        async with self._redis.client() as client:
            try:
                workers = await RoomStore(client).workers()
            except RedisError:
                return False
        return any(worker.pid == self.pid for worker in workers)
