"""A stack: an installation's processes on this machine, for as long as a `with` block lasts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.console import Console
from ops.stack.flower import Flower
from ops.stack.haproxy import HAProxy
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from ops.stack.receiver import Receiver
from ops.stack.records import DatabaseSchema, RecordWriterProcess
from ops.stack.redis import RedisServer
from ops.stack.tenants import TenantsFile
from ops.stack.worker import Worker, WorkerSpec

WEBHOOK_PATH = "/livekit/webhook"


@dataclass(frozen=True, slots=True)
class ExternalLiveKit:
    """A LiveKit server that runs elsewhere. Its configuration must send webhooks to the stack's `webhook_url`."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StackOptions:
    """The parts to start. `env` is for receivers, workers and Flower, and overrides the stack's own settings."""

    directory: Path
    binaries: Binaries
    workers: tuple[WorkerSpec, ...] = ()
    receivers: int = 2
    tenants: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[Path, ...] = ()
    flower: bool = False
    console: bool = False
    """Whether there is a console, with a database of its own and what writes the records into it."""
    webhook_port: int | None = None
    """Port for webhooks; None: any free port. A LiveKit server elsewhere has it in its configuration."""
    livekit: ExternalLiveKit | None = None
    host: str = HOST
    """Address that Redis and livekit-server listen on, which workers in other networks can reach."""
    livekit_host: str | None = None
    """Address that livekit-server listens on; `host` if None."""
    redis_append_only: bool = False
    """Whether Redis keeps its content when it is killed and started again."""


@dataclass(frozen=True, slots=True)
class StackEvent:
    """A change of a part: `starting`, `ready` after `seconds`, or `stopped`."""

    part: str
    state: Literal["starting", "ready", "stopped"]
    seconds: float = 0.0


class Stack:
    """The running parts. Tests may kill, pause, stop and start each of them."""

    def __init__(self, options: StackOptions, on_event: Callable[[StackEvent], None]) -> None:
        self.options = options
        self.directory = options.directory.resolve()
        self._on_event = on_event
        self._stages: list[Sequence[ManagedProcess]] = []
        ports = PortPicker()
        base = environment.inherited(options.python_path)
        receiver_ports = [ports.pick() for _ in range(options.receivers)]
        haproxy = options.binaries.haproxy if options.receivers > 1 else None
        front = options.webhook_port or (ports.pick() if haproxy else receiver_ports[0])
        if not haproxy:
            # Without a load balancer only one receiver would ever get webhooks.
            receiver_ports = [front]
        self.webhook_url = f"http://{HOST}:{front}{WEBHOOK_PATH}"
        self.redis = RedisServer(
            self.directory,
            base,
            binary=str(options.binaries.redis),
            port=ports.pick(),
            host=options.host,
            append_only=options.redis_append_only,
        )
        self.livekit: LiveKitServer | ExternalLiveKit = options.livekit or LiveKitServer(
            self.directory,
            base,
            binary=str(options.binaries.livekit),
            port=ports.pick(),
            tcp_port=ports.pick(),
            udp_port=ports.pick(),
            webhook_url=self.webhook_url,
            host=options.livekit_host or options.host,
        )
        self._console_port = ports.pick() if options.console else None
        self._base = environment.merged(base, self.env)
        self.tenants = TenantsFile(self.directory, self._base, file=options.tenants) if options.tenants else None
        self.receivers = [
            Receiver(f"receiver-{number}", self.directory, self._base, port=port)
            for number, port in enumerate(receiver_ports, start=1)
        ]
        self.balancer = (
            HAProxy(self.directory, base, binary=str(haproxy), port=front, receivers=receiver_ports)
            if haproxy
            else None
        )
        self.workers = {spec.name: self._worker(spec) for spec in options.workers}
        self.flower = Flower(self.directory, self._base, port=ports.pick()) if options.flower else None
        self.console: Console | None = None
        self._database: list[DatabaseSchema] = []
        self._records: list[RecordWriterProcess] = []
        if self._console_port is not None:
            self.console = Console(self.directory, self._base, port=self._console_port)
            self._database = [DatabaseSchema(self.directory, self._base)]
            self._records = [RecordWriterProcess(self.directory, self._base, port=ports.pick())]

    @classmethod
    @asynccontextmanager
    async def start(
        cls, options: StackOptions, on_event: Callable[[StackEvent], None] = lambda _: None
    ) -> AsyncIterator[Self]:
        """Start every part, each ready before the next. At the end of the block every part is stopped.

        Raises StackError with the end of the log of the part that did not start.
        """
        options.directory.mkdir(parents=True, exist_ok=True)
        stack = cls(options, on_event)
        try:
            for stage in stack._start_order():
                await stack.start_together(stage)
            yield stack
        finally:
            await stack._stop()

    @property
    def env(self) -> dict[str, str]:
        """The settings of this stack, as environment variables of its processes."""
        settings = {
            "LIVEKIT_URL": self.livekit.url,
            "LIVEKIT_API_KEY": self.livekit.api_key,
            "LIVEKIT_API_SECRET": self.livekit.api_secret,
            "REDIS_URL": self.redis.url,
            # Importing them takes seconds of each worker's start, and hardly any stack uses these providers.
            "SWITCHBOARD_PRELOAD_EXTRAS": "none",
        }
        if self._console_port is not None:
            settings |= {
                "SWITCHBOARD_CONSOLE_URL": f"http://{HOST}:{self._console_port}",
                "SWITCHBOARD_DATABASE_URL": f"sqlite:///{self.directory / 'records.db'}",
                "SWITCHBOARD_RECORDINGS_URL": f"file://{self.directory / 'recorded'}",
            }
        return {**settings, **self.options.env}

    @property
    def livekit_url(self) -> str:
        """The URL that participants connect to."""
        return self.livekit.url

    @property
    def redis_url(self) -> str:
        """The URL of the stack's Redis, with its password."""
        return self.redis.url

    @property
    def processes(self) -> Iterator[ManagedProcess]:
        """All parts that were started, in that order."""
        return itertools.chain.from_iterable(self._stages)

    async def add_worker(self, spec: WorkerSpec) -> Worker:
        """Start one more worker, and return it when it is ready. It is stopped with the stack."""
        worker = self.workers[spec.name] = self._worker(spec)
        await self.start_together([worker])
        return worker

    async def start_together(self, stage: Sequence[ManagedProcess]) -> None:
        """Start independent parts at the same time, and wait until all are ready."""
        self._stages.append(stage)
        try:
            async with asyncio.TaskGroup() as group:
                for part in stage:
                    group.create_task(self._start_one(part))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _start_order(self) -> Iterator[Sequence[ManagedProcess]]:
        yield [self.redis]
        # Independent of each other, so the tenants file is applied while livekit-server starts.
        yield [
            *([self.livekit] if isinstance(self.livekit, LiveKitServer) else []),
            *([self.tenants] if self.tenants else []),
            *self._database,
        ]
        yield self.receivers
        if self.balancer:
            yield [self.balancer]
        # The console is there before the first call ends, and no worker waits for it.
        beside = [part for part in (self.flower, self.console) if part]
        yield [*self.workers.values(), *beside, *self._records]

    def _worker(self, spec: WorkerSpec) -> Worker:
        return Worker(spec, self.directory, self._base, redis=self.redis)

    async def _start_one(self, part: ManagedProcess) -> None:
        self._on_event(StackEvent(part.name, "starting"))
        await part.start()
        self._on_event(StackEvent(part.name, "ready", part.started_in_seconds))

    async def _stop(self) -> None:
        try:
            for stage in reversed(self._stages):
                await asyncio.gather(*(self._stop_one(part) for part in stage))
        finally:
            # For a second Ctrl-C, which cancels the gather above before all parts have stopped.
            for part in self.processes:
                part.kill()

    async def _stop_one(self, part: ManagedProcess) -> None:
        was_running = part.running
        await part.stop()
        if was_running:
            self._on_event(StackEvent(part.name, "stopped"))
