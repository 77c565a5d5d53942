"""Connections that leave a server which takes no writes, so that the next connect finds the one that does.

A server that becomes a replica keeps its connections: redis-py's would stay with it, and fail for ever, where a name or
a managed address leads to another one by now. So a reply that says so closes the connection, and counts as a lost one.
"""

from __future__ import annotations

import re
from typing import Any, cast

from redis import asyncio as aioredis
from redis import connection as blocking
from redis.asyncio import connection as async_
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError

# redis-py has no class for NOREPLICAS. Redis 6 gives the reply to a command in a script as a part of another one:
# `ERR Error running script (…): @user_script: 5: -READONLY …`.
_TAKES_NO_WRITES = re.compile(r"(^|-)(READONLY|MASTERDOWN|NOREPLICAS) ")


def takes_no_writes(error: ResponseError) -> bool:
    """Return whether a reply says that the server is a replica, or a master that has lost its replicas."""
    return isinstance(error, ReadOnlyError | MasterDownError) or _TAKES_NO_WRITES.search(str(error)) is not None


class AsyncLeaving:
    """For connections of an event loop."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read one reply. Raises redis-py's ConnectionError, with the connection closed, where it is no master's."""
        try:
            return await cast("Any", super()).read_response(*args, **options)
        except ResponseError as error:
            if not takes_no_writes(error):
                raise
            await cast("Any", self).disconnect(nowait=True)
            raise RedisConnectionError(str(error)) from error


class BlockingLeaving:
    """For connections of a process without an event loop."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read one reply. Raises redis-py's ConnectionError, with the connection closed, where it is no master's."""
        try:
            return cast("Any", super()).read_response(*args, **options)
        except ResponseError as error:
            if not takes_no_writes(error):
                raise
            cast("Any", self).disconnect()
            raise RedisConnectionError(str(error)) from error


class Connection(AsyncLeaving, aioredis.Connection):
    """A connection to one address."""


class TlsConnection(AsyncLeaving, async_.SSLConnection):
    """The same with TLS."""


class BlockingConnection(BlockingLeaving, blocking.Connection):
    """A connection to one address, for a process without an event loop."""


class BlockingTlsConnection(BlockingLeaving, blocking.SSLConnection):
    """The same with TLS."""
