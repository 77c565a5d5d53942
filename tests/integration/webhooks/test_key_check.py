"""A receiver whose key the LiveKit server refuses says so at its start, and names the key of each refused webhook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tests.integration.webhooks.sender import SECRET, Sender, event, new_sid
from tests.support.livekit_server import livekit_without_webhooks
from tests.support.signed_webhook import sign
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def receiver(directory: Path, redis: RedisServer, **settings: str) -> Receiver:
    env = environment.inherited() | {"REDIS_URL": redis.url} | settings
    return Receiver("asking", directory, env, port=PortPicker().pick())


def lines(asked: Receiver, message: str) -> list[dict[str, Any]]:
    log = [json.loads(line) for line in asked.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return [line for line in log if line["message"] == message]


async def logged(asking: Receiver, message: str) -> None:
    async def found() -> bool:
        return bool(lines(asking, message))

    await until(found, 30)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "LiveKit server accepts the API key"),
        ({"LIVEKIT_API_SECRET": SECRET[::-1]}, "LiveKit server refuses the API key"),
        ({"LIVEKIT_API_KEY": "of-another-server"}, "LiveKit server refuses the API key"),
    ],
    ids=["right", "wrong secret", "unknown key"],
)
async def test_a_receiver_asks_livekit_with_its_key_once(
    redis_server: RedisServer, binaries: Binaries, tmp_path: Path, wrong: dict[str, str], message: str
) -> None:
    async with livekit_without_webhooks(binaries, tmp_path) as livekit:
        right = {
            "LIVEKIT_URL": livekit.url,
            "LIVEKIT_API_KEY": livekit.api_key,
            "LIVEKIT_API_SECRET": livekit.api_secret,
        }
        asking = receiver(tmp_path, redis_server, **(right | wrong))
        await asking.start()
        try:
            await logged(asking, message)
        finally:
            await asking.stop()
    (line,) = lines(asking, message)
    assert line["key"] == (right | wrong)["LIVEKIT_API_KEY"]
    assert line["level"] == ("ERROR" if wrong else "INFO")
    assert (right | wrong)["LIVEKIT_API_SECRET"] not in asking.log.read_text(encoding="utf-8")


async def test_a_livekit_server_that_is_away_is_no_reason_not_to_start(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    url = f"ws://127.0.0.1:{PortPicker().pick()}"
    asking = receiver(tmp_path, redis_server, LIVEKIT_URL=url, LIVEKIT_API_KEY="devkey", LIVEKIT_API_SECRET=SECRET)
    await asking.start()
    try:
        await logged(asking, "LiveKit server not reached yet")
    finally:
        await asking.stop()
    assert lines(asking, "LiveKit server not reached yet")[0]["url"] == url


async def test_the_log_names_the_key_that_a_refused_webhook_is_signed_with(
    senders: list[Sender], receivers: list[Receiver]
) -> None:
    body = event("room_started", new_sid())
    for _ in range(20):
        await senders[1].post(body, authorization=sign(body, "a-key-of-another-server", SECRET))
    refused = [line for line in lines(receivers[1], "webhook rejected") if line["key"] == "a-key-of-another-server"]
    assert len(refused) == 1
    assert refused[0]["reason"] == "key_unknown"
