"""Connections to the master that the Sentinels name, which leave it when the Sentinels name another one.

In a planned failover, or one after a network fault, the old master goes on: Sentinel makes it a replica, and closes its
connections, only some 10 s after the new one was promoted (https://github.com/redis/redis/issues/1083). What clients
write there meanwhile, such as a room, a claim or a renewal, is lost. redis-py asks the Sentinels only when it connects
(https://github.com/redis/redis-py/issues/3867). So a pool asks them again once a second while it is used. They may be
away: then a connection stays where it is.
"""

from __future__ import annotations

import time
from typing import Any, cast

from redis import sentinel as blocking_sentinel
from redis.asyncio import sentinel as async_sentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from tasks.errors import RedisUnavailable
from tasks.redis_client.connections import AsyncLeaving, BlockingLeaving
from tasks.redis_client.deadline import within_deadline

SENTINEL_SECONDS = 0.5
"""Timeout of one Sentinel, after which the next one is asked."""
ASK_SECONDS = 1.0
ASK_AGAIN_SECONDS = 10.0
"""The time between two questions when the first was not answered: the caller of a blocking client waits for each."""


def _is_due(pool: Any) -> bool:
    now = time.monotonic()
    if now < getattr(pool, "ask_at", 0.0):
        return False
    pool.ask_at = now + ASK_SECONDS
    return True


def _put_off(pool: Any) -> None:
    pool.ask_at = time.monotonic() + ASK_AGAIN_SECONDS


def _is_left(connection: Any) -> bool:
    """Return whether the Sentinels name another master than that of the connection."""
    named = connection.connection_pool.master_address
    return named is not None and named != (connection.host, connection.port)


class _AsyncFollowing(AsyncLeaving):
    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Connect first, to the master of now: redis-py would go back to the old one."""
        connection = cast("Any", self)
        # What belongs to the connecting itself is sent without a check.
        if check_health:
            await self._follow()
        if not connection.is_connected:
            await connection.connect()
        await cast("Any", super()).send_packed_command(command, check_health)

    async def _follow(self) -> None:
        connection = cast("Any", self)
        pool = connection.connection_pool
        if _is_due(pool):
            try:
                await within_deadline(pool.get_master_address(), SENTINEL_SECONDS)
            except RedisUnavailable:
                _put_off(pool)
        if connection.is_connected and _is_left(connection):
            await connection.disconnect(nowait=True)


class _BlockingFollowing(BlockingLeaving):
    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Connect first, to the master of now: redis-py would go back to the old one."""
        connection = cast("Any", self)
        if check_health and connection.is_connected and self._is_to_leave():
            self._leave()
        if not connection.is_connected:
            connection.connect()
        cast("Any", super()).send_packed_command(command, check_health)

    def _is_to_leave(self) -> bool:
        pool = cast("Any", self).connection_pool
        if _is_due(pool):
            try:
                pool.get_master_address()
            except (RedisError, OSError):
                _put_off(pool)
        return _is_left(self)

    def _leave(self) -> None:
        cast("Any", self).disconnect()


class MasterConnection(_AsyncFollowing, async_sentinel.SentinelManagedConnection):
    """A connection of an event loop."""


class TlsMasterConnection(_AsyncFollowing, async_sentinel.SentinelManagedSSLConnection):
    """The same with TLS."""


class BlockingMasterConnection(_BlockingFollowing, blocking_sentinel.SentinelManagedConnection):
    """A connection of a process without an event loop."""


class BlockingTlsMasterConnection(_BlockingFollowing, blocking_sentinel.SentinelManagedSSLConnection):
    """The same with TLS."""


class _CelerysFollowing(_BlockingFollowing):
    def _leave(self) -> None:
        # Its consumer polls the socket, and has to begin anew.
        cast("Any", self).disconnect()
        raise RedisConnectionError("the Sentinels name another master")


class CelerysMasterConnection(_CelerysFollowing, blocking_sentinel.SentinelManagedConnection):
    """A connection of Celery's. Raises redis-py's ConnectionError where it has to connect again."""


class CelerysTlsMasterConnection(_CelerysFollowing, blocking_sentinel.SentinelManagedSSLConnection):
    """The same with TLS."""
