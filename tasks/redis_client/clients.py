"""Clients of Redis for Switchboard's own keys. Where Sentinels know the master, connections follow it."""

from __future__ import annotations

from typing import Any, cast

import redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.retry import Retry
from redis.sentinel import Sentinel

from tasks.redis_client import connections, failover
from tasks.settings import RedisSettings

CONNECTIONS = 32
BLOCKING_SECONDS = 1.0
"""Timeout of the blocking client: the event loop of a worker's main process waits for it."""

# Without it each client, and so each call, would look up the version of redis-py among all installed packages.
_DRIVER = DriverInfo()


def connect(settings: RedisSettings, *, undecodable: str = "strict") -> aioredis.Redis:
    """Return a client for an event loop. It retries once at once: a pooled connection may have died since its last use.

    `undecodable`: `strict` or `replace`, as `bytes.decode` has it. `replace` is for streams, where one entry that is no
    UTF-8 would keep all others from being read.

    In a burst its users wait for a connection, for as long as Redis may take to answer; redis-py's default pool would
    refuse them.
    """
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS,
        "timeout": settings.deadline_seconds,
        "decode_responses": True,
        "encoding_errors": undecodable,
        "socket_timeout": settings.deadline_seconds,
        "socket_connect_timeout": settings.deadline_seconds,
        "socket_keepalive": True,
        "retry": AsyncRetry(NoBackoff(), 1),
        "driver_info": _DRIVER,
    }
    server = settings.server
    options |= server.login()
    if not server.sentinels:
        kind = connections.Connection if server.tls is None else connections.TlsConnection
        pooled = aioredis.BlockingConnectionPool(connection_class=kind, **_at(settings), **options)
        return aioredis.Redis.from_pool(pooled)
    sentinel, pool = cast("Any", AsyncSentinel), cast("Any", _MasterPool)
    manager = sentinel(server.addresses, sentinel_kwargs=sentinel_options(settings))
    options["connection_class"] = failover.MasterConnection if server.tls is None else failover.TlsMasterConnection
    return aioredis.Redis.from_pool(pool(settings.sentinel_master, manager, **_tls(settings), **options))


def connect_blocking(settings: RedisSettings) -> redis.Redis:
    """Return a client for a process without an event loop of asyncio: the worker's main process."""
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": BLOCKING_SECONDS,
        "socket_connect_timeout": BLOCKING_SECONDS,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 1),
        "driver_info": _DRIVER,
    }
    server = settings.server
    options |= server.login()
    if not server.sentinels:
        kind = connections.BlockingConnection if server.tls is None else connections.BlockingTlsConnection
        return redis.Redis.from_pool(redis.ConnectionPool(connection_class=kind, **_at(settings), **options))
    manager = cast("Any", Sentinel)(server.addresses, sentinel_kwargs=sentinel_options(settings))
    options["connection_class"] = (
        failover.BlockingMasterConnection if server.tls is None else failover.BlockingTlsMasterConnection
    )
    return cast("redis.Redis", manager.master_for(settings.sentinel_master, **_tls(settings), **options))


def sentinel_options(settings: RedisSettings) -> dict[str, Any]:
    """Return the options of connections to the Sentinels."""
    password = settings.sentinel_password
    tls = _tls(settings)
    return {
        **({"ssl": True} if tls else {}),
        **tls,
        "password": None if password is None else password.get_secret_value(),
        "socket_timeout": failover.SENTINEL_SECONDS,
        "socket_connect_timeout": failover.SENTINEL_SECONDS,
    }


def _at(settings: RedisSettings) -> dict[str, Any]:
    ((host, port),) = settings.server.addresses
    return {"host": host, "port": port, **_tls(settings)}


def _tls(settings: RedisSettings) -> dict[str, Any]:
    return {} if settings.server.tls is None else settings.server.tls.options()


class _MasterPool(SentinelConnectionPool, aioredis.BlockingConnectionPool):
    """A bounded pool of connections to the current master; its users wait for a free one."""

    async def aclose(self) -> None:
        """Close the connections to the Sentinels too."""
        await super().aclose()
        await self.sentinel_manager.aclose()
