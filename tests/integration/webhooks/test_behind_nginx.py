"""Receivers behind nginx, with the configuration that operators use."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import aiohttp
import pytest
import pytest_asyncio

from ops.stack.ports import HOST, PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.integration.webhooks.sender import KEY, SECRET, Sender, event, new_sid
from tests.support.certificates import Authority
from tests.support.shipped_nginx import Ports, shipped_nginx
from tests.support.signed_webhook import sign
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEBHOOK_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after: str | None
    text: str


class Client:
    """Requests to nginx: webhooks by HTTP, everything else by TLS."""

    def __init__(self, session: aiohttp.ClientSession, ports: Ports) -> None:
        self.ports = ports
        self._session = session

    async def webhook(self, body: bytes, path: str = "/livekit/webhook") -> Answer:
        return await self._post(f"http://{HOST}:{self.ports.webhooks}{path}", body, sign(body, KEY, SECRET))

    async def call(self, path: str, body: bytes = b"{}") -> Answer:
        return await self._post(f"https://{HOST}:{self.ports.calls}{path}", body, "Bearer guess")

    async def _post(self, url: str, body: bytes, authorization: str) -> Answer:
        headers = {"Authorization": authorization}
        async with self._session.post(url, data=io.BytesIO(body), headers=headers, allow_redirects=False) as response:
            return Answer(response.status, response.headers.get("Retry-After"), await response.text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nginx(directory: Path, receivers: list[Receiver]) -> AsyncIterator[Client]:
    authority = Authority.create(directory)
    trusted = ssl.create_default_context(cafile=str(authority.certificate))
    receiver_ports = [receiver.port for receiver in receivers]
    async with (
        shipped_nginx(directory, PortPicker(), receiver_ports, authority.issue(HOST)) as proxy,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session,
    ):
        yield Client(session, proxy.ports)


async def test_a_signed_webhook_passes_and_queues_its_room(nginx: Client, rooms: RoomStore) -> None:
    answers = [await nginx.webhook(event("room_started", new_sid())) for _ in range(4)]

    assert [answer.status for answer in answers] == [200] * 4
    assert await rooms.redis.llen("premium") == 4


async def test_a_body_up_to_the_receivers_limit_passes_and_the_receiver_refuses_a_longer_one(
    nginx: Client, rooms: RoomStore, senders: list[Sender]
) -> None:
    async def refused() -> float:
        name = "switchboard_webhook_rejections_total"
        return sum([await sender.counted(name, reason="body_too_large") for sender in senders])

    before = await refused()
    big = event("room_started", new_sid(), padding="")
    big = big.replace(b'"padding": ""', b'"padding": "%s"' % (b"x" * (WEBHOOK_MAX_BYTES - len(big))))
    assert len(big) == WEBHOOK_MAX_BYTES

    assert (await nginx.webhook(big)).status == 200
    assert (await nginx.webhook(big + b" ")).status == 413
    assert await refused() == before + 1


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/calls", "/twilio/incoming", "/"])
async def test_the_port_for_webhooks_serves_nothing_else(nginx: Client, path: str) -> None:
    assert (await nginx.webhook(b"{}", path)).status == 404


@pytest.mark.parametrize("path", ["/livekit/webhook", "/metrics", "/readyz", "/healthz", "/docs", "/"])
async def test_the_port_for_calls_serves_nothing_else(nginx: Client, path: str) -> None:
    assert (await nginx.call(path)).status == 404


async def test_calls_reach_a_receiver_by_tls_and_not_without(nginx: Client, rooms: RoomStore) -> None:
    # They know no such key, or no such method; nginx itself does not answer in JSON.
    for path in ("/calls", "/calls/RM_1", "/calls/RM_1/erasure", "/usage", "/concurrency"):
        assert json.loads((await nginx.call(path)).text)
    async with aiohttp.ClientSession() as stranger:
        async with stranger.post(f"http://{HOST}:{nginx.ports.calls}/calls") as plain:
            assert plain.status == 400
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await stranger.post(f"https://{HOST}:{nginx.ports.calls}/calls")


async def test_webhooks_of_a_killed_receiver_are_answered_by_the_other(
    nginx: Client, rooms: RoomStore, receivers: list[Receiver]
) -> None:
    killed = receivers[1]
    sids = [new_sid() for _ in range(40)]
    first_answered = asyncio.Event()

    async def announce(sid: str) -> int:
        answer = await nginx.webhook(event("room_started", sid))
        first_answered.set()
        return answer.status

    try:
        announcing = [asyncio.create_task(announce(sid)) for sid in sids]
        await first_answered.wait()
        killed.kill()
        assert await asyncio.gather(*announcing) == [200] * len(sids)
        assert [(await nginx.webhook(event("room_started", new_sid()))).status for _ in range(4)] == [200] * 4
    finally:
        await killed.exited()
        await killed.start()
    # Requests that both receivers got make no second message.
    assert await rooms.redis.llen("premium") == len(sids) + 4


async def until_both_are_used(nginx: Client, senders: list[Sender]) -> None:
    """nginx leaves out a receiver that has failed, for a second."""

    async def ignored(sender: Sender) -> float:
        return await sender.counted("switchboard_webhook_events_total", event="track_published", outcome="ignored")

    before = [await ignored(sender) for sender in senders]

    async def used() -> bool:
        await nginx.webhook(event("track_published", new_sid()))
        return all([await ignored(sender) > count for sender, count in zip(senders, before, strict=True)])

    await until(used)


async def test_webhooks_of_a_stopping_receiver_are_answered(
    nginx: Client, rooms: RoomStore, receivers: list[Receiver], senders: list[Sender]
) -> None:
    await until_both_are_used(nginx, senders)
    statuses: list[int] = []
    stopped = asyncio.Event()

    async def announce() -> None:
        while not stopped.is_set():
            statuses.append((await nginx.webhook(event("room_started", new_sid()))).status)

    announcing = [asyncio.create_task(announce()) for _ in range(8)]
    try:
        await receivers[0].stop()
        await receivers[0].start()
    finally:
        stopped.set()
        await asyncio.gather(*announcing)
    assert set(statuses) == {200}


async def test_without_redis_a_webhook_is_refused_so_that_livekit_sends_it_again(
    nginx: Client, rooms: RoomStore, redis_server: RedisServer
) -> None:
    redis_server.kill()
    await redis_server.exited()
    began = time.time()
    try:
        answer = await nginx.webhook(event("room_started", new_sid()))
    finally:
        await redis_server.start()
    # A receiver's own pause, which is a second and the age of the webhook, of whole seconds; or none if nginx had left
    # the other receiver out.
    assert answer.status == 503
    age = time.time() - int(began)
    assert answer.retry_after is None or 1 <= int(answer.retry_after) <= 1 + age


async def test_with_no_receiver_livekit_and_backends_are_told_to_retry_and_a_telephone_rings_on(
    nginx: Client, rooms: RoomStore, receivers: list[Receiver]
) -> None:
    await asyncio.gather(*(receiver.stop() for receiver in receivers))
    try:
        for _ in range(3):
            answer = await nginx.webhook(event("room_started", new_sid()))
            # LiveKit's own pauses are 1, 2, 4 and 8 s: a constant would leave a restart only four times that.
            assert (answer.status, answer.retry_after) == (503, None)
            refused = await nginx.call("/calls")
            assert (refused.status, refused.retry_after) == (503, "2")

        async def instructions(path: str) -> tuple[list[str], str | None]:
            answer = await nginx.call(path)
            assert answer.status == 200
            verbs = ET.fromstring(answer.text)  # noqa: S314 - of our own configuration
            return [verb.tag for verb in verbs], verbs.findtext("Redirect")

        retry = ["Pause", "Redirect"]
        assert await instructions("/twilio/incoming") == (retry, "/twilio/incoming?try=2")
        assert await instructions("/twilio/incoming?try=x") == (retry, "/twilio/incoming?try=2")
        assert await instructions("/twilio/incoming?try=4") == (retry, "/twilio/incoming?try=5")
        assert await instructions("/twilio/incoming?try=5") == (["Reject"], None)
        assert await instructions("/twilio/dialled") == (["Hangup"], None)
    finally:
        await asyncio.gather(*(receiver.start() for receiver in receivers))

    async def heard() -> bool:
        return (await nginx.webhook(event("room_started", new_sid()))).status == 200

    await until(heard)


HEAD = "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 1000\r\n\r\n"


async def test_a_webhook_whose_body_does_not_come_is_closed_without_an_answer(nginx: Client) -> None:
    """LiveKit takes a 408 for delivered, and tries again after a closed connection."""
    reader, writer = await asyncio.open_connection(HOST, nginx.ports.webhooks)
    writer.write(HEAD.format(path="/livekit/webhook", token=sign(b"", KEY, SECRET)).encode() + b"{")
    assert await reader.read() == b""
    writer.close()


STRANGERS = 300


async def test_webhooks_do_not_wait_behind_slow_strangers(nginx: Client, rooms: RoomStore) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(STRANGERS):
            # They begin with TLS, and never go on.
            _, writer = await asyncio.open_connection(HOST, nginx.ports.calls)
            stack.callback(writer.close)
            writer.write(bytes.fromhex("160301"))
        async with asyncio.timeout(2):
            assert (await nginx.webhook(event("room_started", new_sid()))).status == 200
