"""The links of the campaign, before a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ExecAbortError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ops.stack import environment
from ops.stack.ports import HOST, PortPicker
from ops.stack.redis import RedisServer
from tests.campaign.links import Links
from tests.campaign.proxy import LinkPlan, Mode
from tests.campaign.redis_errors import ErrorInjector, encoded

LINK = "redis"


@pytest.fixture
async def links(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Links]:
    ports = PortPicker()
    plan = LinkPlan(LINK, (HOST, ports.pick()), (HOST, redis_server.port), redis=True)
    links = Links(tmp_path, environment.inherited(), control_port=ports.pick(), links=[plan])
    await links.start()
    try:
        yield links
    finally:
        await links.stop()


@asynccontextmanager
async def client_of(links: Links, redis_server: RedisServer, *, timeout_seconds: float = 5.0) -> AsyncIterator[Redis]:
    port = links._plan.links[0].listen[1]
    url = redis_server.url.replace(f":{redis_server.port}/", f":{port}/")
    retry = Retry(NoBackoff(), 0)
    async with Redis.from_url(url, decode_responses=True, socket_timeout=timeout_seconds, retry=retry) as client:
        yield client


async def test_a_cut_link_resets_connections_and_accepts_no_others_until_it_is_open(
    links: Links, redis_server: RedisServer
) -> None:
    async with client_of(links, redis_server) as client:
        await client.set("name", "value")
        await links.set(LINK, "cut")
        for _ in range(2):
            with pytest.raises((RedisConnectionError, ConnectionResetError)):
                await client.get("name")
        await links.set(LINK, "open")
        assert await client.get("name") == "value"


async def test_a_held_link_lets_nothing_pass_and_all_of_it_later_on_the_same_connection(
    links: Links, redis_server: RedisServer
) -> None:
    async with client_of(links, redis_server) as client, client_of(links, redis_server, timeout_seconds=0.3) as hasty:
        before = await client.client_id()
        await links.set(LINK, "held")
        late: asyncio.Task[Any] = asyncio.create_task(cast("Any", client).client_id())
        with pytest.raises(RedisTimeoutError):
            await hasty.ping()
        assert not late.done()
        await links.set(LINK, "open")
        assert await late == before


async def test_a_slowed_link_takes_its_time_both_ways(links: Links, redis_server: RedisServer) -> None:
    async with client_of(links, redis_server) as client:
        await client.ping()
        await links.set(LINK, "slowed", seconds=0.2)
        began = time.monotonic()
        await client.ping()
        assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("LOADING Redis is loading the dataset in memory", BusyLoadingError),
        ("READONLY You can't write against a read only replica.", ReadOnlyError),
        ("OOM command not allowed when used memory > 'maxmemory'.", OutOfMemoryError),
        ("NOPERM this user has no permissions to run the 'set' command", NoPermissionError),
    ],
)
async def test_redis_answers_with_the_error_on_old_and_new_connections_and_then_as_before(
    links: Links, redis_server: RedisServer, error: str, kind: type[RedisError]
) -> None:
    async with client_of(links, redis_server) as client:
        await client.set("name", "value")
        await links.set(LINK, "errors", error=error)
        with pytest.raises(kind):
            await client.set("name", "other")
        async with client.pipeline(transaction=True) as pipe:
            pipe.set("name", "other")
            with pytest.raises((kind, ExecAbortError)):
                await pipe.execute()
        async with client_of(links, redis_server) as other:
            with pytest.raises(kind):
                await other.get("name")
        await links.set(LINK, "open")
        assert await client.get("name") == "value"


async def test_a_webhook_that_is_lost_counts_as_delivered_and_the_next_one_arrives(tmp_path: Path) -> None:
    received: list[str] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(await request.text())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    ports = PortPicker()
    plan = LinkPlan("webhooks", (HOST, ports.pick()), (HOST, runner.addresses[0][1]))
    links = Links(tmp_path, environment.inherited(), control_port=ports.pick(), links=[plan])
    await links.start()
    try:
        async with aiohttp.ClientSession() as session:
            for mode, body in (("open", "one"), ("lost", "two"), ("open", "three")):
                await links.set("webhooks", cast("Mode", mode))
                async with session.post(f"http://{HOST}:{plan.listen[1]}/", data=body) as answer:
                    assert answer.status == HTTPStatus.OK
    finally:
        await links.stop()
        await runner.cleanup()
    assert received == ["one", "three"]


def test_requests_are_split_wherever_the_stream_is_cut_and_a_transaction_is_let_through() -> None:
    requests = [[b"AUTH", b"secret"], [b"MULTI"], [b"SET", b"a", b"\r\n*1\r\n"], [b"EXEC"], [b"GET", b"a"]]
    stream = b"".join(encoded(*words) for words in requests)
    for size in (1, 2, 7):
        injector = ErrorInjector()
        sent = b""
        for first in range(0, len(stream), size):
            sent += injector.feed(stream[first : first + size], "LOADING" if first > 40 else "")
        assert sent.startswith(b"".join(encoded(*words) for words in requests[:4]))
        assert sent.endswith(encoded(b"EVAL", b"return redis.error_reply(ARGV[1])", b"0", b"LOADING"))
