"""The cost of a call's webhooks in a real receiver, with signed bodies as LiveKit sends them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil

from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from tests.bench import webhook_load
from tests.bench.scaling.cost import Cost
from tests.bench.scaling.fixture import MEASURED_TIER, SECRET, Installation
from tests.support.signed_webhook import sign

KEY = "devkey"
TENANT = "webhooks"
IGNORED_EVENTS = 7
"""Events of a call that a receiver ignores: the agent joins, two tracks come and go, two participants leave."""
OK = 200


@dataclass(frozen=True, slots=True)
class WebhookCost:
    """The cost of one webhook: to Redis, and in CPU of the receiver. A call has `cost.per_call` of them."""

    cost: Cost
    own_cpu_ms: float


@dataclass(frozen=True, slots=True)
class ReceiverCost:
    """The cost of each kind of webhook, and the times of answers under a steady load of room_started, in ms."""

    webhooks: list[WebhookCost]
    rate: float
    load_ms: tuple[float, ...]

    @property
    def cpu_ms(self) -> float:
        """The receiver's CPU time for all webhooks of one call."""
        return sum(webhook.own_cpu_ms * webhook.cost.per_call for webhook in self.webhooks)


async def measure(installation: Installation, count: int, *, rate: float, seconds: float) -> ReceiverCost:
    """Measure the webhooks of `count` calls, then the load. The receiver is the reconciler too."""
    await installation.declare({TENANT: MEASURED_TIER})
    receiver = Receiver(
        "receiver",
        installation.server.directory,
        # Without a LiveKit server its reconciler would log a warning every few seconds.
        {**installation.environment, "SWITCHBOARD_LOG_LEVEL": "ERROR"},
        port=PortPicker().pick(),
    )
    url = f"http://127.0.0.1:{receiver.port}/livekit/webhook"
    await receiver.start()
    try:
        async with aiohttp.ClientSession() as session:
            sender = _Sender(session, url, receiver, installation)
            sids = [f"RM_webhook{number:06}" for number in range(count)]
            webhooks = [
                await sender.send("room_started", sids),
                await sender.send("participant_joined", sids),
                await sender.send("track_published", sids, per_call=IGNORED_EVENTS),
                await sender.send("room_finished", sids),
            ]
        load = webhook_load.Load(url, rate, seconds, 0, TENANT, KEY, SECRET)
        report = await webhook_load.run(load)
    finally:
        await receiver.stop()
    return ReceiverCost(webhooks, rate, tuple(report.latencies_ms))


class _Sender:
    def __init__(
        self, session: aiohttp.ClientSession, url: str, receiver: Receiver, installation: Installation
    ) -> None:
        self._session = session
        self._url = url
        self._receiver = receiver
        self._installation = installation

    async def send(self, event: str, sids: list[str], *, per_call: float = 1.0) -> WebhookCost:
        """Send one webhook for each room, one after another."""
        bodies = [json.dumps(_event(event, sid)).encode() for sid in sids]
        headers = [{"Authorization": sign(body, KEY, SECRET)} for body in bodies]
        samples = []
        before = self._cpu_ms()
        async with self._installation.meter.measure() as usage:
            for body, header in zip(bodies, headers, strict=True):
                began = time.perf_counter()
                async with self._session.post(self._url, data=body, headers=header) as response:
                    await response.read()
                    response.raise_for_status()
                samples.append((time.perf_counter() - began) * 1000)
        own_cpu_ms = (self._cpu_ms() - before) / len(sids)
        return WebhookCost(Cost.of(f"webhook: {event}", usage, samples, len(sids), per_call=per_call), own_cpu_ms)

    def _cpu_ms(self) -> float:
        times = psutil.Process(self._receiver.pid).cpu_times()
        return float(times.user + times.system) * 1000


def _event(name: str, sid: str) -> Mapping[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    room = {
        "sid": sid,
        "name": f"call-{TENANT}-{sid}",
        "emptyTimeout": 300,
        "departureTimeout": 20,
        "creationTime": str(now_ms // 1000),
        "creationTimeMs": str(now_ms),
        "turnPassword": "x" * 44,
        "enabledCodecs": [{"mime": f"video/{codec}"} for codec in ("H264", "VP8", "VP9", "AV1", "H265", "rtx")],
        "metadata": json.dumps({"tenant_id": TENANT}),
    }
    participant = {
        "sid": "PA_123456789012",
        "identity": "caller",
        "state": "ACTIVE",
        "joinedAt": str(now_ms // 1000),
        "joinedAtMs": str(now_ms),
        "permission": {"canSubscribe": True, "canPublish": True, "canPublishData": True},
    }
    event = {"event": name, "room": room, "id": f"EV_{sid}", "createdAt": str(now_ms // 1000)}
    return event if name.startswith("room_") else {**event, "participant": participant}
