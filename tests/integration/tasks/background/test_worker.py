"""A real background worker: `celery -A tasks.background worker`, killed, and its Redis with it, while it sends."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest_asyncio

from ops.stack import environment
from ops.stack.background import BackgroundWorker
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.background.notices import keys
from tests.integration.tasks.background.office import ENVIRONMENT, Office, settings_with
from tests.support.backend import Backend, Behaviour, answer, backend, hang
from tests.support.waiting import until

CALLS = 12
KINDS = ["started", "waiting", "recovered"]
RETRIES = {"SWITCHBOARD_NOTICE_RETRY_SECONDS": "0.2,0.2,0.2,0.2,0.2,0.2,0.2"}


@dataclass
class Installation:
    redis: RedisServer
    worker: BackgroundWorker
    backend: Backend
    env: dict[str, str]

    @asynccontextmanager
    async def office(self) -> AsyncIterator[Office]:
        async with self.redis.client() as client, Office.open(client, settings_with(**RETRIES)) as opened:
            yield opened

    async def end_leases(self) -> None:
        """Let the time pass after which a try that died is made again."""
        async with self.redis.client() as client:
            for sid in cast("list[str]", await client.zrange(keys.leases("acme"), 0, -1)):
                await client.zadd(keys.leases("acme"), {sid: 0})
            await client.zadd(keys.BACKENDS_DUE, {"acme": 0})

    async def run(self, *words: str) -> tuple[int, str]:
        """Run a command of `switchboard notices`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", "notices", *words),
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()


@pytest_asyncio.fixture
async def installation(binaries: Binaries, tmp_path: Path) -> AsyncIterator[Installation]:
    redis = RedisServer(
        tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick(), append_only=True
    )
    await redis.start()
    env = {**environment.inherited(), **ENVIRONMENT, **RETRIES, "REDIS_URL": redis.url}
    worker = BackgroundWorker(tmp_path, env)
    try:
        async with backend() as serving:
            made = Installation(redis, worker, serving, env)
            async with made.office() as office:
                await office.declare(acme=serving.url)
            await worker.start()
            yield made
    finally:
        await worker.stop()
        await redis.stop()


def each_third(instead: Behaviour) -> Behaviour:
    """Behave oddly at each third request."""
    count = 0

    async def behave(writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await asyncio.sleep(0.02)
        await (instead if count % 3 == 0 else answer(200))(writer)

    return behave


async def test_nothing_is_lost_and_all_is_in_order_when_worker_and_redis_are_killed(installation: Installation) -> None:
    serving, worker = installation.backend, installation.worker
    serving.always = each_third(answer(500))
    async with installation.office() as office:
        for number in range(CALLS):
            for kind in KINDS:
                await office.event(kind, sid=f"RM_{number}")
    await until(lambda: _received(serving, 5))
    # In the middle of its tries.
    serving.behaviours = [hang] * 4
    await until(lambda: _none_left(serving))
    worker.kill()
    await worker.exited()
    await installation.end_leases()
    await worker.start()
    await until(lambda: _received(serving, 20))
    installation.redis.kill()
    await installation.redis.exited()
    await installation.redis.start()
    await installation.end_leases()
    await until(lambda: _all_delivered(serving), 40)
    firsts: dict[str, list[str]] = defaultdict(list)
    for request in serving.received:
        assert request.is_signed()
        sid = request.content["data"]["sid"]
        if request.kind not in firsts[sid]:
            firsts[sid].append(request.kind)
    assert all(kinds == [f"call.{kind}" for kind in KINDS] for kinds in firsts.values())
    assert len(firsts) == CALLS
    # kombu has one for an acknowledgement that Redis cannot take any more.
    lines = worker.log.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if "Traceback" in line and "Couldn't ack" not in line]

    # Commands, with the same worker.
    serving.always = None
    status, output = await installation.run("test", "acme")
    assert (status, "delivered: 200 after" in output, "it answered: thanks" in output) == (0, True, True), output
    serving.always = answer(503, "closed")
    status, output = await installation.run("test", "acme")
    assert (status, "answered 503 after" in output, "it answered: closed" in output) == (1, True, True), output
    status, output = await installation.run("list", "acme", "--call", "RM_3", "--state", "delivered")
    assert (status, output.count("call.")) == (0, 3), output
    status, output = await installation.run("backends")
    assert (status, "acme" in output, "well" in output) == (0, True, True), output
    status, output = await installation.run("list", "nobody")
    assert (status, "There is no tenant 'nobody'" in output) == (1, True)
    await worker.stop()
    assert await worker.exited() == 0


async def _received(serving: Backend, count: int) -> bool:
    return len(serving.received) >= count


async def _none_left(serving: Backend) -> bool:
    return not serving.behaviours


async def _all_delivered(serving: Backend) -> bool:
    return len({request.id for request in serving.received}) == CALLS * len(KINDS)
