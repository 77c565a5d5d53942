"""A Redis with a replica, and three Sentinels that watch both, with TLS or without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from redis import asyncio as aioredis
from redis.exceptions import RedisError

from ops.stack import ManagedProcess, environment
from ops.stack.ports import HOST, PortPicker
from ops.stack.redis import RedisServer
from tests.support.certificates import Authority
from tests.support.waiting import until

MASTER = "calls"
PASSWORD = "of redis"
SENTINELS_PASSWORD = "of the sentinels"
COUNT, QUORUM = 3, 2
DOWN_AFTER_MS = 1000


def tls_lines(authority: Authority, port: int) -> list[str]:
    """Return the configuration of a Redis or a Sentinel that speaks TLS alone and asks clients for no certificate."""
    own = authority.issue(HOST)
    return [
        "port 0",
        f"tls-port {port}",
        f"tls-cert-file {own.certificate}",
        f"tls-key-file {own.key}",
        f"tls-ca-cert-file {authority.certificate}",
        "tls-auth-clients no",
        "tls-replication yes",
    ]


class Node(RedisServer):
    """A Redis that is, or becomes, the master or a replica."""

    def __init__(
        self,
        directory: Path,
        env: Mapping[str, str],
        *,
        binary: str,
        port: int,
        master: Node | None = None,
        authority: Authority | None = None,
    ) -> None:
        directory.mkdir()
        super().__init__(directory, env, binary=binary, port=port)
        self._password = PASSWORD
        self._master = master
        self._authority = authority

    def command(self) -> list[str]:
        command = super().command()
        lines = [f'masterauth "{PASSWORD}"', "repl-diskless-sync yes", "repl-diskless-sync-delay 0"]
        if self._master is not None:
            lines.append(f"replicaof {HOST} {self._master.port}")
        if self._authority is not None:
            lines += tls_lines(self._authority, self.port)
        config = Path(command[-1])
        text = config.read_text("utf-8").replace(f"requirepass {PASSWORD}", f'requirepass "{PASSWORD}"')
        config.write_text("".join((text, *(f"{line}\n" for line in lines))), "utf-8")
        return command

    def client(self) -> aioredis.Redis:
        return aioredis.Redis(
            host=HOST,
            port=self.port,
            password=PASSWORD,
            decode_responses=True,
            socket_timeout=2,
            **tls_options(self._authority),
        )

    async def role(self) -> str:
        try:
            async with self.client() as client:
                return str((await client.info("replication"))["role"])
        except (RedisError, OSError):
            return "away"


def tls_options(authority: Authority | None) -> dict[str, Any]:
    return {} if authority is None else {"ssl": True, "ssl_ca_certs": str(authority.certificate)}


class SentinelServer(ManagedProcess):
    def __init__(
        self,
        directory: Path,
        env: Mapping[str, str],
        *,
        binary: str,
        port: int,
        master: Node,
        authority: Authority | None = None,
    ) -> None:
        directory.mkdir()
        self._authority = authority
        super().__init__("sentinel", directory, env)
        self.port = port
        self._binary = binary
        self._master = master

    def command(self) -> list[str]:
        # Sentinel writes its state into this file.
        config = self.directory / "sentinel.conf"
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f'dir "{self.directory}"',
            f'requirepass "{SENTINELS_PASSWORD}"',
            f'sentinel sentinel-pass "{SENTINELS_PASSWORD}"',
            f"sentinel monitor {MASTER} {HOST} {self._master.port} {QUORUM}",
            f'sentinel auth-pass {MASTER} "{PASSWORD}"',
            f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {MASTER} 3000",
        ]
        if self._authority is not None:
            lines += tls_lines(self._authority, self.port)
        config.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return [self._binary, str(config), "--sentinel"]

    def client(self) -> aioredis.Redis:
        return aioredis.Redis(
            host=HOST,
            port=self.port,
            password=SENTINELS_PASSWORD,
            decode_responses=True,
            socket_timeout=2,
            **tls_options(self._authority),
        )

    async def is_ready(self) -> bool:
        """Return whether it knows the replica and the other Sentinels, without which no failover is possible."""
        async with self.client() as client:
            try:
                state = cast("dict[str, Any]", await cast("Any", client.sentinel_master(MASTER)))
            except RedisError:
                return False
        return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == COUNT - 1)


@dataclass(frozen=True, slots=True)
class Replicated:
    master: Node
    replica: Node
    sentinels: tuple[SentinelServer, ...]
    authority: Authority | None

    @classmethod
    @asynccontextmanager
    async def start(cls, binary: Path, directory: Path, authority: Authority | None = None) -> AsyncIterator[Self]:
        env, ports = environment.inherited(), PortPicker()
        parts: dict[str, Any] = {"binary": str(binary), "authority": authority}
        master = Node(directory / "master", env, port=ports.pick(), **parts)
        replica = Node(directory / "replica", env, port=ports.pick(), master=master, **parts)
        sentinels = tuple(
            SentinelServer(directory / f"sentinel-{number}", env, port=ports.pick(), master=master, **parts)
            for number in range(COUNT)
        )
        replicated = cls(master, replica, sentinels, authority)
        async with AsyncExitStack() as stack:
            for node in (master, replica):
                await node.start()
                stack.push_async_callback(node.stop)
            await until(replicated.replicates)
            # Started together, because each is ready only when it knows the others.
            for sentinel in sentinels:
                stack.push_async_callback(sentinel.stop)
            await asyncio.gather(*(sentinel.start() for sentinel in sentinels))
            yield replicated

    @property
    def environment(self) -> dict[str, str]:
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        tls = self.authority
        scheme, query = ("sentinel", "") if tls is None else ("sentinels", f"?ssl_ca_certs={tls.certificate}")
        return {
            "REDIS_URL": f"{scheme}://:{PASSWORD.replace(' ', '%20')}@{hosts}/0{query}",
            "SWITCHBOARD_SENTINEL_MASTER": MASTER,
            "SWITCHBOARD_SENTINEL_PASSWORD": SENTINELS_PASSWORD,
        }

    async def replicates(self) -> bool:
        async with self.replica.client() as client:
            return bool((await client.info("replication"))["master_link_status"] == "up")

    async def has_failed_over(self) -> bool:
        return await self.replica.role() == "master"

    async def is_named(self) -> bool:
        """Return whether the Sentinels name the replica. It has been the master for up to a second by then."""
        for each in self.sentinels:
            async with each.client() as client:
                sentinel: Any = client
                _, port = await sentinel.sentinel_get_master_addr_by_name(MASTER)
            if port != self.replica.port:
                return False
        return True
