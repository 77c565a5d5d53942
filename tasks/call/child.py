"""The process that answers one call, and what it has ready before its call is known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvloop
from redis.exceptions import RedisError

from pipeline.runtime import rtc_client, telemetry
from pipeline.runtime.job_runner import Inference, JobRunner
from pipeline.runtime.prewarm import prewarm_child
from tasks import tracing
from tasks.call.drain import Drain
from tasks.call.failure import CallFailed
from tasks.call.scoreboard import MemoryLimits, ScoreboardRow
from tasks.encryption import Encryption
from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.tenants import TenantReader
from tasks.tenants.record_signer import RecordSigner

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger("switchboard.tasks.call")


@dataclass(slots=True)
class Child:
    """A child of the worker. `redis` belongs to `loop`, and is connected already if Redis was there.

    `drain`: the worker's. `row`: this child's of the worker's scoreboard. `inference`: the client of the worker's
    inference process, or None where there is none. `answered`: its call has run to its end. `failure`: it has failed.
    """

    settings: Settings
    loop: asyncio.Runner
    redis: Redis
    rooms: RoomStore
    tenants: TenantReader
    drain: Drain
    row: ScoreboardRow
    inference: Inference | None = None
    answered: bool = False
    failure: CallFailed | None = None
    _default_runner: JobRunner | None = None

    @classmethod
    def prewarmed(cls, settings: Settings, drain: Drain, row: ScoreboardRow, inference: Inference | None) -> Child:
        """Return a child with the default agent prewarmed and Redis connected.

        Raises what the agent's prewarm raises, SystemExit too. Redis is tried again in the call.
        """
        # Not earlier: it starts a thread, and the worker's main process forks.
        exported = tracing.start("switchboard-worker", allow_pii=settings.traces.allow_pii)
        if exported is not None:
            telemetry.export_spans(exported.provider, allow_pii=exported.allow_pii)
        redis = connect(settings.redis)
        rooms = RoomStore(redis, lease_ms=settings.lease.ttl_ms)
        tenants = TenantReader(redis, settings.tiers.names, RecordSigner(Encryption(settings)))
        child = cls(settings, _event_loop(), redis, rooms, tenants, drain, row, inference)
        row.clear()
        child._default_runner = prewarm_child(settings.call.agent, inference)
        try:
            child.loop.run(child._connect())
        except (RedisError, OSError) as error:
            logger.warning("child not connected to Redis yet", extra={"error": type(error).__name__})
        child.loop.run(rtc_client.warm_up())
        return child

    async def _connect(self) -> None:
        await self.redis.ping()

    def runner_for(self, agent: str | None) -> JobRunner:
        """Return the default agent's prewarmed runner, or prewarm one for the agent that the tenant names.

        A runner runs one call. Raises AgentNotFound, and what the agent's prewarm raises.
        """
        path = agent or self.settings.call.agent
        runner = self._default_runner
        if runner is None or runner.agent.path != path:
            runner = prewarm_child(path, self.inference)
        call = self.settings.call
        self.row.memory_limits = MemoryLimits(call.memory_warn_mb, call.memory_limit_mb).stricter(
            MemoryLimits(runner.agent.memory_warn_mb, runner.agent.memory_limit_mb)
        )
        return runner

    def run(self, call: Coroutine[Any, Any, str]) -> str:
        """Run a call to its end and return its result."""
        return self.loop.run(call)


def _event_loop() -> asyncio.Runner:
    # A call wakes its loop some 200 times a second, from several threads. With uvloop that costs 5 % less of its CPU.
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


_current: list[Child] = []


def prewarm(settings: Settings, drain: Drain, row: ScoreboardRow, inference: Inference | None) -> None:
    """Prewarm this process, a fresh child. Raises what the default agent's prewarm raises."""
    _current[:] = [Child.prewarmed(settings, drain, row, inference)]


def current() -> Child:
    """Return the child that this process is."""
    return _current[0]
