"""A Celery worker of the stack."""

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
    """A worker to start, with its queues in the order of `-Q`. `env` overrides the stack's settings.

    `slots`: None for as many as its host carries.
    `command_prefix`: a command that runs the worker's, such as `ip netns exec <name>`, which gives it another network.
    """

    name: str
    queues: tuple[str, ...]
    slots: int | None = 2
    env: Mapping[str, str] = field(default_factory=dict)
    command_prefix: tuple[str, ...] = ()


class Worker(ManagedProcess):
    """One worker. SIGTERM drains it: it waits for its calls, for `stop_seconds` at most."""

    ready_seconds = 120.0
    probe_seconds = 0.2

    def __init__(self, spec: WorkerSpec, directory: Path, env: Mapping[str, str], *, redis: RedisServer) -> None:
        slots = {} if spec.slots is None else {"SWITCHBOARD_SLOTS": str(spec.slots)}
        super().__init__(f"worker-{spec.name}", directory, {**env, **slots, **spec.env})
        self.spec = spec
        self.node = f"{spec.name}@{socket.gethostname()}"
        self._redis = redis

    def command(self) -> list[str]:
        """Return the command of production with a node name, because the workers of a stack share the host's name."""
        celery = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-Q", ",".join(self.spec.queues)]
        return [*self.spec.command_prefix, *celery, "-n", self.node]

    async def is_ready(self) -> bool:
        """Return whether its heartbeat is in Redis. Whether it takes calls depends on its load and its calls."""
        async with self._redis.client() as client:
            try:
                workers = await RoomStore(client).list_workers()
            except RedisError:
                return False
        return any(worker.pid == self.pid for worker in workers)
