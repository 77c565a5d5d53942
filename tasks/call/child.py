"""What a fresh child has ready before its call is known: the default agent's runner, an event loop, Redis, WebRTC."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvloop
from redis.exceptions import RedisError

from pipeline.errors import PipelineError
from pipeline.runtime import prewarm, rtc_client
from pipeline.runtime.job_runner import JobRunner
from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.tenants import RedisTenants
from tasks.worker.tuning import prefault

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger("switchboard.tasks.worker")


@dataclass(slots=True)
class Child:
    """A process that answers one call. `redis` belongs to `loop`, and is connected already where Redis is there."""

    settings: Settings
    loop: asyncio.Runner
    redis: Redis
    rooms: RoomStore
    tenants: RedisTenants
    _runners: dict[str, JobRunner] = field(default_factory=dict)

    @classmethod
    def warm(cls, settings: Settings) -> Child:
        """Get all of it ready. What fails is tried again by the call, which then says why."""
        prefault.make()
        redis = connect(settings)
        rooms = RoomStore(redis, lease_ms=settings.lease_ttl_ms)
        child = cls(settings, _runner(), redis, rooms, RedisTenants(redis, frozenset(settings.tiers)))
        try:
            child._runners[settings.agent] = prewarm.in_child(settings.agent)
        except PipelineError as error:
            logger.error("the default agent cannot be prewarmed", extra={"reason": str(error)})  # noqa: TRY400 - no trace
        try:
            child.loop.run(child._connect())
        except (RedisError, OSError) as error:
            logger.warning("a child has no connection to Redis yet", extra={"error": type(error).__name__})
        child.loop.run(rtc_client.rehearse())
        return child

    async def _connect(self) -> None:
        await self.redis.ping()

    def runner_for(self, agent: str) -> JobRunner:
        """The prewarmed runner, or a new one if the tenant names another agent. Each runs one call."""
        return self._runners.pop(agent, None) or prewarm.in_child(agent)

    def run(self, call: Coroutine[Any, Any, str]) -> str:
        """Run a call to its end. Returns what became of it."""
        return self.loop.run(call)


def _runner() -> asyncio.Runner:
    # A call wakes its loop some 200 times a second, from several threads; this one does it for 5 % less of the call.
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


_this: list[Child] = []


def get_ready(settings: Settings) -> None:
    """This process is a child: warm it."""
    _this[:] = [Child.warm(settings)]


def this() -> Child:
    """The child that this process is."""
    return _this[0]
