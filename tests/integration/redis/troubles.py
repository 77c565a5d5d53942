"""Troubles of a Redis that answers: with an error, in place of what it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ops.stack.ports import HOST
from ops.stack.redis import RedisServer
from tests.support.waiting import until

MEGABYTE = 1 << 20
PASSWORD = "the-password-of-redis"


class ConfiguredServer(RedisServer):
    """A Redis with more lines in its configuration, which it reads when it starts."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._password = PASSWORD
        self.lines = {"rdbcompression": "no", "masterauth": PASSWORD, "repl-diskless-sync-delay": "0"}

    def command(self) -> list[str]:
        command = super().command()
        with Path(command[-1]).open("a", encoding="utf-8") as config:
            config.write("".join(f"{name} {value}\n" for name, value in self.lines.items()))
        return command


Trouble = Callable[[ConfiguredServer], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def replica(server: RedisServer) -> AsyncIterator[None]:
    """It becomes a replica for a while, as in a planned failover: READONLY, and UNBLOCKED for who waits in a BRPOP."""
    async with server.client() as client:
        await client.replicaof(HOST, 1)
        try:
            yield
        finally:
            await client.replicaof("NO", "ONE")


@asynccontextmanager
async def stale_replica(server: RedisServer) -> AsyncIterator[None]:
    """The same, and it serves no reads either: MASTERDOWN."""
    async with _configured(server, {"replica-serve-stale-data": "no"}), replica(server):
        yield


@asynccontextmanager
async def no_memory(server: RedisServer) -> AsyncIterator[None]:
    """Its memory is full: OOM."""
    async with _configured(server, {"maxmemory": "1"}):
        yield


@asynccontextmanager
async def no_snapshot(server: RedisServer) -> AsyncIterator[None]:
    """It cannot write its snapshot, so it takes no writes: MISCONF."""

    async def saved(status: str) -> None:
        async with server.client() as client:
            await client.bgsave()

            async def so() -> bool:
                info = await client.info("persistence")
                return bool(info["rdb_last_bgsave_status"] == status and not info["rdb_bgsave_in_progress"])

            await until(so)

    in_the_way = server.directory / "in-the-way"
    in_the_way.mkdir()
    async with _configured(server, {"save": "3600 1000000", "dbfilename": in_the_way.name}):
        await saved("err")
        try:
            yield
        finally:
            in_the_way.rmdir()
            await saved("ok")
    in_the_way.unlink()


@asynccontextmanager
async def no_permission(server: RedisServer) -> AsyncIterator[None]:
    """An ACL rule is taken away: NOPERM."""
    async with server.client() as own:
        client: Any = own
        await client.execute_command("ACL", "SETUSER", "default", "-@write", "-@scripting")
        try:
            yield
        finally:
            await client.execute_command("ACL", "SETUSER", "default", "+@all")


@asynccontextmanager
async def no_replicas(server: RedisServer) -> AsyncIterator[None]:
    """It has too few replicas to take writes: NOREPLICAS."""
    async with _configured(server, {"min-replicas-to-write": "1"}):
        yield


@asynccontextmanager
async def busy(server: RedisServer) -> AsyncIterator[None]:
    """A script runs for long: BUSY."""
    async with server.client() as client, _configured(server, {"lua-time-limit": "50"}):

        async def run() -> None:
            with suppress(RedisError):
                await client.eval("while true do end", 0)

        running = asyncio.create_task(run())
        try:
            yield
        finally:
            async with server.client() as killer:
                await killer.script_kill()
            await running


@asynccontextmanager
async def other_password(server: RedisServer) -> AsyncIterator[None]:
    """Its password is changed, and connections have to log in again: WRONGPASS."""
    async with server.client() as client:
        await client.config_set("requirepass", "another one")
        await client.client_kill_filter(_type="normal", skipme=True)
        try:
            yield
        finally:
            await client.config_set("requirepass", PASSWORD)


@asynccontextmanager
async def no_connections(server: RedisServer) -> AsyncIterator[None]:
    """It has as many clients as it may: connections are accepted, and closed with an error."""
    async with server.client() as client, _configured(server, {"maxclients": "1"}, client):
        await client.client_kill_filter(_type="normal", skipme=True)
        yield


@asynccontextmanager
async def loading(server: ConfiguredServer) -> AsyncIterator[None]:
    """It has been restarted, and reads a big file first: LOADING."""
    async with server.client() as client:
        # Each for itself: 60 MB take longer than a request may on a busy machine.
        for number in range(20):
            await client.set(f"filler:{number}", "." * MEGABYTE * 3)
        await client.save()
    server.kill()
    await server.exited()
    # Between two keys it answers its clients, once for every two megabytes.
    server.lines["key-load-delay"] = "150000"
    starting = asyncio.create_task(server.start())
    try:
        yield
    finally:
        del server.lines["key-load-delay"]
        await starting
    async with server.client() as client:
        await client.config_set("key-load-delay", 0)
        await client.delete(*(f"filler:{number}" for number in range(20)))


@asynccontextmanager
async def _configured(server: RedisServer, values: dict[str, str], client: Redis | None = None) -> AsyncIterator[None]:
    async with server.client() as own:
        admin: Any = client or own
        before = {name: (await admin.config_get(name))[name] for name in values}
        for name, value in values.items():
            await admin.config_set(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                await admin.config_set(name, value)
