"""A redis-server of the stack's own, with a password, on loopback by default, and with no persistence by default."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess


class RedisServer(ManagedProcess):
    """One redis-server. After `kill` and `start` it has the same port, and with `append_only` the same content.

    `sync`: `appendfsync`. With "everysec", a write that waits for an earlier sync is lost when the process is killed.
    """

    def __init__(
        self,
        directory: Path,
        env: Mapping[str, str],
        *,
        binary: str,
        port: int,
        host: str = HOST,
        append_only: bool = False,
        sync: Literal["no", "everysec"] = "no",
    ) -> None:
        super().__init__("redis", directory, env)
        self.port = port
        self._host = host
        self._append_only = append_only
        self._sync = sync
        self._binary = binary
        self._password = secrets.token_urlsafe(16)

    @property
    def url(self) -> str:
        """The URL of Redis, with its password."""
        return f"redis://:{self._password}@{self._host}:{self.port}/0"

    def client(self) -> aioredis.Redis:
        """Return a client that decodes responses and waits at most 2 s. Close it after use."""
        return aioredis.Redis.from_url(
            self.url, decode_responses=True, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
        )

    def command(self) -> list[str]:
        """Write the configuration to a private file, and return the command.

        On the command line every user of the machine could read the password.
        """
        lines = {
            "bind": self._host,
            "port": str(self.port),
            "requirepass": self._password,
            "save": '""',
            "appendonly": "yes" if self._append_only else "no",
            "appendfsync": self._sync,
            "dir": f'"{self.directory}"',
        }
        config = self.directory / "redis.conf"
        config.touch(mode=0o600)
        config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()), encoding="utf-8")
        return [self._binary, str(config)]

    async def is_ready(self) -> bool:
        """Return whether Redis answers a PING."""
        async with self.client() as client:
            try:
                return bool(await cast("Any", client.ping()))
            except RedisError:
                return False
