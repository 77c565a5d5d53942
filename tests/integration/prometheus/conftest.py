"""A real Prometheus and Alertmanager, a real exporter and receiver, and a Redis with a scripted history of calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from redis.exceptions import RedisError

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.exporter import Exporter
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.integration.ops.metrics.histories import Histories, all_histories
from tests.integration.prometheus.promtool import program
from tests.support.livekit_server import livekit_without_webhooks
from tests.support.probe import Probe
from tests.support.prometheus import Alertmanager, Prometheus
from tests.support.signed_webhook import sign
from tests.support.tenants import SECRET
from tests.support.waiting import until

KEY = "devkey"
PROMISES = "premium=3600,standard=3600,free=3600"
RENEW_SECONDS = 1.0


def credentials(livekit: LiveKitServer) -> dict[str, str]:
    return {
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.api_key,
        "LIVEKIT_API_SECRET": livekit.api_secret,
    }


@dataclass(frozen=True)
class Observed:
    """What is observed, and what observes it."""

    redis: RedisServer
    receiver: Receiver
    prometheus: Prometheus
    alertmanager: Alertmanager


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def observed(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Observed]:
    """Prometheus has seen counters begin and rise: calls with every outcome, and webhooks."""
    directory = tmp_path_factory.mktemp("observed")
    programs = {name: program(name) for name in ("prometheus", "prometheus-alertmanager")}
    ports = PortPicker()
    async with AsyncExitStack() as running:

        async def started(process: ManagedProcess) -> None:
            running.push_async_callback(process.stop)
            await process.start()

        redis = RedisServer(directory, environment.inherited(), binary=str(binaries.redis), port=ports.pick())
        await started(redis)
        env = environment.inherited() | {
            "REDIS_URL": redis.url,
            "LIVEKIT_URL": "ws://127.0.0.1:1",
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "SWITCHBOARD_TIER_PROMISE_SECONDS": PROMISES,
        }
        exporter = Exporter(directory, env, port=ports.pick())
        receiver = Receiver("receiver-1", directory, env, port=ports.pick())
        # One of its own: with the receiver's the rooms, which are in Redis alone, would be closed.
        livekit = await running.enter_async_context(livekit_without_webhooks(binaries, directory / "livekit"))
        probe = Probe(directory, env | credentials(livekit), port=ports.pick())
        alertmanager = Alertmanager(directory, binary=programs["prometheus-alertmanager"], port=ports.pick())
        prometheus = Prometheus(
            directory,
            binary=programs["prometheus"],
            port=ports.pick(),
            jobs={
                "switchboard": [exporter.port],
                "switchboard-receivers": [receiver.port],
                "switchboard-probe": [probe.port],
            },
            alertmanager=alertmanager,
        )
        async with redis.client() as client:
            rooms = RoomStore(client)
            await all_histories(rooms)
            agent = asyncio.create_task(_stay_in_call(rooms))
            running.callback(agent.cancel)
            await started(exporter)
            await started(receiver)
            await started(probe)
            await _send_webhooks(receiver)
            await started(alertmanager)
            await started(prometheus)
            await _until_scraped(prometheus)
            await _more_calls(rooms)
            await _send_webhooks(receiver)
            await _until_scraped(prometheus)
            yield Observed(redis, receiver, prometheus, alertmanager)


async def _more_calls(rooms: RoomStore) -> None:
    """Let each counter of calls rise."""
    histories = Histories(rooms)
    await histories.answered("RM_answered_2", "acme")
    await histories.lost_and_recovered("RM_lost_2", "beta", heard=True)
    await histories.unanswerable("RM_unanswerable_2", "acme")


async def _stay_in_call(rooms: RoomStore) -> None:
    """Renew the lease of the call that runs, as its agent would, until Redis is stopped."""
    with contextlib.suppress(RedisError, OSError):
        while True:
            await rooms.renew("RM_running", 1)
            await asyncio.sleep(RENEW_SECONDS)


async def _send_webhooks(receiver: Receiver) -> None:
    """Send one that is right, and one that somebody else has signed."""
    url = f"http://{HOST}:{receiver.port}/livekit/webhook"
    event = {
        "event": "room_started",
        "id": f"EV_{time.monotonic_ns()}",
        "createdAt": str(int(time.time())),
        "room": {"sid": "RM_webhook", "name": "call-acme-webhook"},
    }
    body = json.dumps(event).encode()
    async with aiohttp.ClientSession() as session:
        for secret in (SECRET, "somebody-else's-secret-of-enough-letters"):
            headers = {"Authorization": sign(body, KEY, secret), "Content-Type": "application/webhook+json"}
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()


async def _until_scraped(prometheus: Prometheus) -> None:
    """Wait for two more scrapes of all, and for the rules."""
    began = time.time()

    async def scraped() -> bool:
        newest = await prometheus.query("min(timestamp(up)) - 1")
        up = await prometheus.query("count(up == 1)")
        recorded = await prometheus.query("timestamp(tier_kind:switchboard_dead_letters:increase15m)")
        return (
            bool(newest and up and recorded)
            and float(newest[0]["value"][1]) > began + 1
            and up[0]["value"][1] == str(len(prometheus.jobs))
        )

    await until(scraped, 60, every=0.1)
