"""Webhooks sent as livekit-server sends them."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.support.signed_webhook import sign
from tests.support.webhook_delivery import deliver

KEY, SECRET = "key", "the-secret-of-the-key-in-use-as-long-as-hs256-wants-it"
OLD_KEY, OLD_SECRET = "old-key", "the-secret-of-the-key-before-it-which-still-counts"
TURN_PASSWORD = "the-turn-password"


@dataclass(frozen=True)
class Answer:
    status: int
    outcome: str
    reason: str | None
    retry_after: str | None
    seconds: float


def event(name: str, sid: str, *, metadata: str = '{"tenant_id": "acme"}', **fields: Any) -> bytes:
    room = {
        "sid": sid,
        "name": f"room-of-{sid}",
        "emptyTimeout": 300,
        "creationTime": "1700000000",
        "creationTimeMs": "1700000000123",
        "turnPassword": TURN_PASSWORD,
        "metadata": metadata,
    }
    # A restarted server announces a room again with a new id.
    return json.dumps({"event": name, "room": room, "id": f"EV_{uuid.uuid4().hex}", **fields}).encode()


def new_sid() -> str:
    return f"RM_{uuid.uuid4().hex}"


class Sender:
    """What livekit-server is to one receiver."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.port = port
        self._session = session
        self._url = f"http://127.0.0.1:{port}"

    async def post(self, body: bytes, *, authorization: str | None = None) -> Answer:
        headers = {"Authorization": authorization if authorization is not None else sign(body, KEY, SECRET)}
        began = time.monotonic()
        url = f"{self._url}/livekit/webhook"
        async with self._session.post(
            url, data=body, headers=headers | {"Content-Type": "application/webhook+json"}
        ) as response:
            content = await response.json()
            return Answer(
                status=response.status,
                outcome=content["outcome"],
                reason=content.get("reason"),
                retry_after=response.headers.get("Retry-After"),
                seconds=time.monotonic() - began,
            )

    async def deliver(self, body: bytes) -> list[Answer]:
        """Post it again while the receiver is too busy, as livekit-server does. Returns all answers."""
        return await deliver(lambda: self.post(body), status_of=lambda answer: answer.status)

    async def status(self, path: str) -> int:
        async with self._session.get(self._url + path) as response:
            return response.status

    async def counted(self, metric: str, **labels: str) -> float:
        """A counter of the receiver; 0 if it has never counted this."""
        async with self._session.get(f"{self._url}/metrics") as response:
            families = text_string_to_metric_families(await response.text())
        samples = (sample for family in families for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == metric and sample.labels == labels)
