"""Connections to Redis for our own keys. Celery has its own, by its own configuration.

Where Sentinels say which Redis is the master, each new connection asks them first. When the master changes, connections
to the old one break, or are closed by it, and the next use of each finds the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.retry import Retry
from redis.sentinel import Sentinel

if TYPE_CHECKING:
    from tasks.sentinel_url import Sentinels
    from tasks.settings import QueueSettings

CONNECTIONS = 32
ASKING_SECONDS = 0.5
"""How long a Sentinel may take before the next one is asked."""

# Else each client, and so each call, would look for the version of redis-py among all installed packages.
_DRIVER = DriverInfo()


def connect(settings: QueueSettings) -> aioredis.Redis:
    """A client for an event loop. One quick retry, because a pooled connection may have died since its last use.

    In a burst its users wait for a connection, for as long as Redis may take to answer; redis-py's default pool would
    refuse them.
    """
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS,
        "timeout": settings.redis_deadline_seconds,
        "decode_responses": True,
        "socket_timeout": settings.redis_deadline_seconds,
        "socket_connect_timeout": settings.redis_deadline_seconds,
        "socket_keepalive": True,
        "retry": AsyncRetry(NoBackoff(), 1),
        "driver_info": _DRIVER,
    }
    if settings.sentinels is None:
        url = settings.redis_url.get_secret_value()
        return aioredis.Redis.from_pool(aioredis.BlockingConnectionPool.from_url(url, **options))
    asked, pool = cast("Any", AsyncSentinel), cast("Any", _MasterPool)
    manager = asked(settings.sentinels.addresses, sentinel_kwargs=asking(settings))
    options |= _login(settings.sentinels) | {"connection_class": _MasterConnection}
    return aioredis.Redis.from_pool(pool(settings.sentinel_master, manager, **options))


def connect_blocking(settings: QueueSettings) -> redis.Redis:
    """A client for a process without an event loop of asyncio: the worker's main process."""
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": 1.0,
        "socket_connect_timeout": 1.0,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 1),
        "driver_info": _DRIVER,
    }
    if settings.sentinels is None:
        return redis.Redis.from_url(settings.redis_url.get_secret_value(), **options)
    manager = cast("Any", Sentinel)(settings.sentinels.addresses, sentinel_kwargs=asking(settings))
    return cast("redis.Redis", manager.master_for(settings.sentinel_master, **_login(settings.sentinels), **options))


def asking(settings: QueueSettings) -> dict[str, Any]:
    """How the Sentinels are asked."""
    password = settings.sentinel_password
    return {
        "password": None if password is None else password.get_secret_value(),
        "socket_timeout": ASKING_SECONDS,
        "socket_connect_timeout": ASKING_SECONDS,
    }


def _login(sentinels: Sentinels) -> dict[str, Any]:
    return {"username": sentinels.username, "password": sentinels.password, "db": sentinels.db}


class _MasterConnection(SentinelManagedConnection):
    """One that was lost asks the Sentinels when it is used again. redis-py's would go back to where the master was."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - its
        """Connect first where that is to be done."""
        if not self.is_connected:
            await cast("Any", self).connect()
        await super().send_packed_command(command, check_health)


class _MasterPool(SentinelConnectionPool, aioredis.BlockingConnectionPool):
    """Connections to whoever is the master, of which there are only so many; who wants one waits."""

    async def aclose(self) -> None:
        """Close those to the Sentinels too."""
        await super().aclose()
        await self.sentinel_manager.aclose()
