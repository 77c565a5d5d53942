"""Redis with TLS of a private authority, and a user for each kind of process, with passwords of special characters."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from kombu import Connection
from redis import asyncio as aioredis
from redis.exceptions import ConnectionError as RedisConnectionError

from ops.docker.secret_files import REDIS_USERS, write
from ops.stack import Worker, WorkerSpec, environment
from ops.stack.flower import Flower
from ops.stack.ports import HOST, PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.redis_client import connect, connect_blocking
from tasks.rooms import RoomStore
from tasks.settings import RedisSettings
from tests.integration.webhooks.sender import KEY, SECRET, Sender, event, new_sid
from tests.support import redis_with_tls
from tests.support.certificates import Authority, Certificate
from tests.support.command import switchboard
from tests.support.light_worker import LIGHT
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANTS = '[tenants.acme]\ntier = "premium"\n'


def password(role: str) -> str:
    return f"#{role}/?:@%25 word"


class TlsRedis(RedisServer):
    """A Redis that speaks TLS alone, and has the users of the shipped file. `client` is one that may do everything."""

    def __init__(self, directory: Path, authority: Authority, own: Certificate, *, clients: str = "no") -> None:
        directory.mkdir()
        binary = redis_with_tls.binary(directory)
        super().__init__(directory, environment.inherited(), binary=str(binary), port=PortPicker().pick())
        self._authority = authority
        self._own = own
        self._clients = clients

    def command(self) -> list[str]:
        command = super().command()
        config = Path(command[-1])
        before = config.read_text("utf-8").splitlines()
        kept = [line for line in before if not line.startswith(("port ", "requirepass "))]
        lines = [
            "port 0",
            f"tls-port {self.port}",
            f"tls-cert-file {self._own.certificate}",
            f"tls-key-file {self._own.key}",
            f"tls-ca-cert-file {self._authority.certificate}",
            f"tls-auth-clients {self._clients}",
            *self._users(),
            f"user all on >{self._password} ~* &* +@all",
        ]
        config.write_text("\n".join([*kept, *lines, ""]), encoding="utf-8")
        return command

    def _users(self) -> list[str]:
        """Write the users of the composition with our passwords, as an operator can choose them."""
        folder = self.directory / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        for role in REDIS_USERS:
            (folder / f"redis_url_{role}").write_text(self.url_of(role), encoding="utf-8")
        write(folder)
        return (folder / "redis_users").read_text(encoding="utf-8").splitlines()

    def client(self) -> aioredis.Redis:
        return aioredis.Redis(
            host=HOST,
            port=self.port,
            username="all",
            password=self._password,
            decode_responses=True,
            socket_timeout=2.0,
            ssl=True,
            ssl_ca_certs=str(self._authority.certificate),
            # This client only administers, by whatever name.
            ssl_check_hostname=False,
            ssl_certfile=str(self._own.certificate),
            ssl_keyfile=str(self._own.key),
        )

    def url_of(self, role: str, query: str | None = None) -> str:
        """Return REDIS_URL of a role."""
        query = f"?ssl_ca_certs={self._authority.certificate}" if query is None else query
        return f"rediss://{role}:{quote(password(role), safe='')}@{HOST}:{self.port}/0{query}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TlsRedis]:
    started = TlsRedis(tmp_path_factory.mktemp("tls") / "redis", authority, authority.issue(HOST))
    await started.start()
    yield started
    await started.stop()


async def test_every_process_works_over_tls_with_a_user_that_may_do_no_more_than_it_has_to(
    server: TlsRedis, tmp_path: Path
) -> None:
    env = environment.inherited() | {
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        **LIGHT,
        "SWITCHBOARD_LOAD_FILE": str(tmp_path / "load"),
        "SWITCHBOARD_CALL_CORES": "0",
    }
    (tmp_path / "load").write_text("0", encoding="utf-8")

    def of(role: str) -> dict[str, str]:
        return env | {"REDIS_URL": server.url_of(role)}

    (tmp_path / "tenants.toml").write_text(TENANTS, encoding="utf-8")
    status, _, problem = await switchboard(of("tenants"), "tenants", "apply", str(tmp_path / "tenants.toml"))
    assert (status, problem) == (0, "")
    ports = PortPicker()
    receiver = Receiver("receiver", tmp_path, of("receiver"), port=ports.pick())
    worker = Worker(WorkerSpec("one", ("premium",)), tmp_path, of("worker"), redis=server)
    flower = Flower(tmp_path, of("flower"), port=ports.pick())
    parts = (receiver, worker, flower)
    try:
        await asyncio.gather(*(part.start() for part in parts))
        async with aiohttp.ClientSession() as session:
            sid = new_sid()
            answer = await Sender(session, receiver.port).post(event("room_started", sid))
            assert (answer.status, answer.outcome) == (200, "queued")
            await until(lambda: was_claimed(server, sid))
            login = {"Authorization": aiohttp.encode_basic_auth(flower.user, flower.password)}

            async def shown() -> bool:
                async with session.get(f"{flower.url}/api/workers?refresh=1", headers=login) as response:
                    return response.status == 200 and worker.node in await response.text()

            await until(shown, every=0.3)
            async with session.get(f"{flower.url}/broker", headers=login) as response:
                page = await response.text()
            assert "premium" in page
        status, shown_rooms, _ = await switchboard(of("operator"), "ps", "--json", "--workers")
        assert (status, [each["node"] for each in json.loads(shown_rooms)["workers"]]) == (0, [worker.node])
        status, _, problem = await switchboard(of("operator"), "drain", worker.node, "--wait")
        assert (status, problem) == (0, "")
        assert await worker.exited() == 0
    finally:
        for part in parts:
            await part.stop()
    async with server.client() as client:
        denied: Any = await client.acl_log()
    assert [(entry["username"], entry["reason"], entry["object"]) for entry in denied] == []
    for part in parts:
        log = part.log.read_text(encoding="utf-8")
        assert not [role for role in REDIS_USERS if password(role) in log or quote(password(role), safe="") in log]


async def was_claimed(server: TlsRedis, sid: str) -> bool:
    async with server.client() as client:
        room = await RoomStore(client).get(sid)
    # Without a LiveKit server its call fails, and is queued again.
    return room is not None and ("claimed" in room.steps_ms or room.attempt > 1)


@dataclass(frozen=True)
class Clients:
    """Each way in which a process connects."""

    settings: RedisSettings

    async def ours(self) -> None:
        async with connect(self.settings) as client:
            await client.ping()

    async def blocking(self) -> None:
        with connect_blocking(self.settings) as client:
            client.ping()

    async def celerys(self) -> None:
        url = self.settings.server
        assert url.tls is not None
        with Connection(url.broker_url(), ssl=url.tls.options()) as connection:
            connection.connect()

    async def flowers(self) -> None:
        from flower.utils.broker import Broker  # noqa: PLC0415 - of Flower alone

        url = self.settings.server
        assert url.tls is not None
        broker: Any = Broker(url.broker_url(), broker_options={}, broker_use_ssl=url.tls.options())
        await broker.queues(["premium"])


EACH = pytest.mark.parametrize("way", [Clients.ours, Clients.blocking, Clients.celerys, Clients.flowers])


@EACH
async def test_no_client_connects_to_a_server_whose_authority_it_does_not_trust(server: TlsRedis, way: Any) -> None:
    await refused(way, {"REDIS_URL": server.url_of("flower", query="")}, "certificate verify failed")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TlsRedis]:
    """A server that asks for a certificate, and has one for another host itself."""
    directory = tmp_path_factory.mktemp("strict") / "redis"
    started = TlsRedis(directory, authority, authority.issue("redis.example"), clients="yes")
    await started.start()
    yield started
    await started.stop()


@EACH
async def test_no_client_connects_to_a_server_with_a_certificate_for_another_host(
    strict: TlsRedis, authority: Authority, way: Any
) -> None:
    own = authority.issue("client.example")
    query = f"?ssl_ca_certs={authority.certificate}&ssl_certfile={own.certificate}&ssl_keyfile={own.key}"
    await refused(way, {"REDIS_URL": strict.url_of("flower", query)}, "IP address mismatch|not valid for")


@EACH
async def test_a_client_shows_its_own_certificate_to_a_server_that_asks_for_one(
    authority: Authority, tmp_path: Path, way: Any
) -> None:
    asking = TlsRedis(tmp_path / "redis", authority, authority.issue(HOST), clients="yes")
    await asking.start()
    try:
        own = authority.issue("client.example")
        trusted = f"?ssl_ca_certs={authority.certificate}"
        shown = f"{trusted}&ssl_certfile={own.certificate}&ssl_keyfile={own.key}"
        await way(Clients(RedisSettings.read({"REDIS_URL": asking.url_of("flower", shown)})))
        reason = "certificate required|reset by peer|closed|Broken pipe|EOF"
        await refused(way, {"REDIS_URL": asking.url_of("flower", trusted)}, reason)
    finally:
        await asking.stop()


async def refused(way: Any, env: Mapping[str, str], reason: str) -> None:
    with pytest.raises((RedisConnectionError, OSError, ssl.SSLError), match=reason):
        await way(Clients(RedisSettings.read(env)))
