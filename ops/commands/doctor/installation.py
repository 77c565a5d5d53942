"""The installation that is examined: its settings, the connections to its parts, and facts that several checks need.

Each fact is asked for once, by the check that needs it first. If it cannot be had, each of these checks says so.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ops.commands.doctor.finding import NotChecked
from ops.commands.doctor.redis_problem import PERMISSION, problem_of
from tasks.errors import RedisUnavailable
from tasks.livekit_api import LiveKitClient, LiveKitError, created_at_ms
from tasks.redis_client import connect, within_deadline
from tasks.rooms import RoomStore, WorkerStatus
from tasks.rooms.record_lag import StreamLag, read_lag
from tasks.rooms.webhook_check import METADATA, PREFIX, NotedWebhook, WebhookCheck
from tasks.settings import Settings
from tasks.tenants.admin import StoredTenant, TenantAdmin
from tasks.tenants.record_signer import RecordSigner

T = TypeVar("T")

ROOM_SECONDS = 60
"""The time after which LiveKit closes the room by itself, should this process not get to it."""
WEBHOOK_SECONDS = 10.0
"""The time that a webhook has to arrive by default: LiveKit's first three tries."""
AS_OPERATOR = "run it with the REDIS_URL of a user that may INFO, such as operator in ops/docker/redis_users.conf"


@dataclass(frozen=True, slots=True)
class CheckRoom:
    """The room that was created for the checks. `clock_ms`: LiveKit's clock minus ours, in ms.

    `took_ms`: the time that the creation took. The clock is known to half of that.
    """

    name: str
    clock_ms: float
    took_ms: float


class Installation:
    """An installation. `open` gives one whose connections are closed afterwards, and whose room is deleted.

    `webhook_seconds`: the time that a webhook has to arrive. `webhook_url`: the address of the receivers, if known.
    """

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        livekit: LiveKitClient,
        http: aiohttp.ClientSession,
        *,
        webhook_seconds: float = WEBHOOK_SECONDS,
        webhook_url: str | None = None,
    ) -> None:
        self.settings = settings
        self.webhook_seconds = webhook_seconds
        self.webhook_url = webhook_url
        self.redis = redis
        self.livekit = livekit
        self.http = http
        self._facts: dict[str, asyncio.Task[Any]] = {}
        self._room_name = f"{PREFIX}{secrets.token_hex(8)}"

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, webhook_seconds: float = WEBHOOK_SECONDS, webhook_url: str | None = None
    ) -> AsyncIterator[Self]:
        """Connect to nothing yet, and leave nothing behind."""
        async with AsyncExitStack() as closing:
            redis = await closing.enter_async_context(connect(settings.redis))
            livekit = await closing.enter_async_context(LiveKitClient.from_settings(settings.livekit))
            http = await closing.enter_async_context(aiohttp.ClientSession())
            options: dict[str, Any] = {"webhook_seconds": webhook_seconds, "webhook_url": webhook_url}
            installation = cls(settings, redis, livekit, http, **options)
            closing.push_async_callback(installation._clean_up)
            yield installation

    async def ask_redis(self, request: Awaitable[T]) -> T:
        """Return the answer of Redis. Raises RedisUnavailable within the deadline of a receiver."""
        return await within_deadline(request, self.settings.redis.deadline_seconds)

    async def require_redis(self) -> None:
        """Return if Redis answers. Raises NotChecked."""
        await self._once("redis", self._reach_redis)

    async def redis_info(self) -> dict[str, Any]:
        """Return what Redis says of itself. Raises NotChecked."""
        return await self._once("info", self._read_info)

    async def redis_clock_ms(self) -> float:
        """Return Redis' clock minus ours, in ms. Raises NotChecked."""
        return await self._once("clock", self._read_clock)

    async def workers(self) -> list[WorkerStatus]:
        """Return the heartbeats of the workers. Raises NotChecked."""
        return await self._once("workers", self._list_workers)

    async def record_lag(self) -> StreamLag | None:
        """Return how far the writers of records are behind, None if none has ever begun. Raises NotChecked."""
        return await self._once("record lag", self._read_lag)

    async def tenants(self, signer: RecordSigner) -> dict[str, StoredTenant]:
        """Return the tenants by their ids, signatures checked, with their encrypted keys. Raises NotChecked."""

        async def read() -> dict[str, StoredTenant]:
            await self.require_redis()
            try:
                return await self.ask_redis(TenantAdmin(self.redis, signer).read())
            except RedisUnavailable as failure:
                raise self._not_permitted(failure, "read the tenants with their keys") from None

        return await self._once("tenants", read)

    async def room(self) -> CheckRoom:
        """Return a room of our own that no agent answers. Raises NotChecked."""
        return await self._once("room", self._create_room)

    async def noted_webhooks(self) -> list[NotedWebhook]:
        """Return the room's webhooks, as soon as one has arrived at a receiver; [] if none has. Raises NotChecked."""
        return await self._once("webhooks", self._wait_for_webhooks)

    async def _once(self, name: str, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if name not in self._facts:
            self._facts[name] = asyncio.create_task(find(), name=name)
        # Several checks wait for it, and the deadline of one must not take it from the others.
        return cast("T", await asyncio.shield(self._facts[name]))

    async def _reach_redis(self) -> None:
        try:
            await self.ask_redis(cast("Any", self.redis.ping()))
        except RedisUnavailable as failure:
            # One that answers with an error is reached all the same, and each check says what it refuses.
            if not isinstance(failure.__cause__, ResponseError):
                raise NotChecked("Redis is not reached") from None

    async def _read_info(self) -> dict[str, Any]:
        await self.require_redis()
        try:
            return await self.ask_redis(cast("Any", self.redis.info()))
        except RedisUnavailable as failure:
            raise self._not_permitted(failure, "INFO") from None

    async def _read_clock(self) -> float:
        await self.require_redis()
        before = time.time()
        try:
            seconds, microseconds = await self.ask_redis(cast("Any", self.redis.time()))
        except RedisUnavailable as failure:
            raise self._not_permitted(failure, "TIME") from None
        now: float = seconds + microseconds / 1e6
        return (now - (before + time.time()) / 2) * 1000

    async def _list_workers(self) -> list[WorkerStatus]:
        await self.require_redis()
        try:
            return await self.ask_redis(RoomStore(self.redis).list_workers())
        except RedisUnavailable as failure:
            raise self._not_permitted(failure, "read the heartbeats of the workers") from None

    async def _read_lag(self) -> StreamLag | None:
        await self.require_redis()
        try:
            return await self.ask_redis(read_lag(self.redis))
        except RedisUnavailable as failure:
            raise self._not_permitted(failure, "read the stream of records") from None

    @staticmethod
    def _not_permitted(failure: RedisUnavailable, request: str) -> NotChecked:
        problem = problem_of(failure)
        if problem.text == PERMISSION:
            return NotChecked(f"our user of Redis may not {request}", AS_OPERATOR)
        return NotChecked(f"Redis {problem.text}", problem.cure)

    async def _create_room(self) -> CheckRoom:
        before = time.time()
        try:
            room = await self.livekit.create_room(
                self._room_name, metadata=METADATA, empty_seconds=ROOM_SECONDS, departure_seconds=ROOM_SECONDS
            )
        except LiveKitError:
            raise NotChecked("the LiveKit server creates no room for us: see livekit") from None
        after = time.time()
        return CheckRoom(room.name, created_at_ms(room) - (before + after) / 2 * 1000, (after - before) * 1000)

    async def _wait_for_webhooks(self) -> list[NotedWebhook]:
        await self.require_redis()
        check = WebhookCheck(self.redis, (await self.room()).name)
        deadline = time.monotonic() + self.webhook_seconds
        while time.monotonic() < deadline:
            try:
                noted = await self.ask_redis(check.read())
            except RedisUnavailable as failure:
                raise self._not_permitted(failure, "read what receivers have noted") from None
            if noted:
                return noted
        return []

    async def _clean_up(self) -> None:
        for fact in self._facts.values():
            fact.cancel()
        if self._facts:
            await asyncio.gather(*self._facts.values(), return_exceptions=True)
        room = self._facts.get("room")
        if room is None or room.cancelled():
            return
        with suppress(LiveKitError):
            await self.livekit.delete_room(self._room_name)
        with suppress(RedisUnavailable):
            await self.ask_redis(WebhookCheck(self.redis, self._room_name).forget())
