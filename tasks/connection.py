"""Connections to Redis for our own keys. Celery has its own, by its own configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.retry import Retry

if TYPE_CHECKING:
    from tasks.settings import QueueSettings

CONNECTIONS = 32

# Else each client, and so each call, would look for the version of redis-py among all installed packages.
_DRIVER = DriverInfo()


def connect(settings: QueueSettings) -> aioredis.Redis:
    """A client for an event loop. One quick retry, because a pooled connection may have died since its last use.

    In a burst its users wait for a connection, for as long as Redis may take to answer; redis-py's default pool would
    refuse them.
    """
    pool = aioredis.BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=CONNECTIONS,
        timeout=settings.redis_deadline_seconds,
        decode_responses=True,
        socket_timeout=settings.redis_deadline_seconds,
        socket_connect_timeout=settings.redis_deadline_seconds,
        socket_keepalive=True,
        retry=AsyncRetry(NoBackoff(), 1),
        driver_info=_DRIVER,
    )
    return aioredis.Redis.from_pool(pool)


def connect_blocking(settings: QueueSettings) -> redis.Redis:
    """A client for a process without an event loop of asyncio: the worker's main process."""
    return redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
        driver_info=_DRIVER,
    )
