from __future__ import annotations

import asyncio
import io
import json
import signal
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from ops.stack.receiver import Receiver
from tasks.rooms import RoomStore
from tests.integration.webhooks.sender import (
    KEY,
    OLD_KEY,
    OLD_SECRET,
    SECRET,
    TURN_PASSWORD,
    Sender,
    event,
    new_sid,
)
from tests.support.signed_webhook import sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEN_MEBIBYTES = 10 << 20


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (lambda _: "", "token_missing"),
        (lambda body: sign(body, KEY, SECRET[::-1]), "token_invalid"),
        (lambda body: sign(body, KEY, OLD_SECRET), "token_invalid"),
        (lambda body: sign(body, "stranger", SECRET), "key_unknown"),
        (lambda body: sign(body, KEY, SECRET, expires_in_s=-60), "token_out_of_time"),
        (lambda body: sign(body.replace(b"RM_", b"RX_"), KEY, SECRET), "body_mismatch"),
    ],
)
async def test_a_webhook_that_livekit_did_not_sign_opens_no_room(
    sender: Sender, rooms: RoomStore, signed: Callable[[bytes], str], reason: str
) -> None:
    body = event("room_started", new_sid())

    answer = await sender.post(body, authorization=signed(body))

    assert (answer.status, answer.reason) == (401, reason)
    assert await rooms.list_all() == []


async def test_a_webhook_signed_with_the_key_before_is_accepted(sender: Sender, rooms: RoomStore) -> None:
    body = event("room_started", new_sid())

    assert (await sender.post(body, authorization=sign(body, OLD_KEY, OLD_SECRET))).outcome == "queued"


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", json.dumps({"event": "room_started", "room": {}}).encode()])
async def test_a_signed_body_that_is_no_event_is_malformed(sender: Sender, body: bytes) -> None:
    answer = await sender.post(body)

    assert (answer.status, answer.reason) == (400, "event_malformed")


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
async def test_ten_mebibytes_are_too_large_and_their_sender_gets_the_status(
    sender: Sender, connection: str, *, chunked: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(TEN_MEBIBYTES >> 16):
            yield bytes(1 << 16)

    url = f"http://127.0.0.1:{sender.port}/livekit/webhook"
    body = chunks() if chunked else io.BytesIO(bytes(TEN_MEBIBYTES))
    signed = sign(bytes(TEN_MEBIBYTES), KEY, SECRET)
    async with (
        aiohttp.ClientSession(headers={"Connection": connection, "Authorization": signed}) as session,
        session.post(url, data=body) as response,
    ):
        assert response.status == 413

    assert await sender.status("/healthz") == 200


async def test_a_stranger_is_refused_before_its_body_has_come(sender: Sender) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sender.port)
    head = "Host: receiver\r\nAuthorization: x\r\nContent-Length: 1000000"
    writer.write(f"POST /livekit/webhook HTTP/1.1\r\n{head}\r\n\r\n".encode())
    async with asyncio.timeout(3):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


async def test_a_sender_that_hangs_up_in_the_middle_leaves_no_trace_of_an_error(
    sender: Sender, receivers: list[Receiver]
) -> None:
    before = await rejections(sender, "body_cut_short")

    reader, writer = await begun(sender.port, length=100)
    writer.write(b"{")
    writer.close()
    await writer.wait_closed()

    async with asyncio.timeout(5):
        while await rejections(sender, "body_cut_short") == before:  # noqa: ASYNC110 - the counter wakes nobody
            await asyncio.sleep(0.02)
    assert "Traceback" not in receivers[0].log.read_text(encoding="utf-8")
    assert reader.at_eof()


async def test_a_receiver_that_is_stopped_finishes_what_it_has_begun(
    rooms: RoomStore, receivers: list[Receiver]
) -> None:
    stopping = receivers[1]
    sid = new_sid()
    body = event("room_started", sid)
    reader, writer = await begun(stopping.port, length=len(body), authorization=sign(body, KEY, SECRET))

    try:
        stopping_done = asyncio.create_task(stopping.stop())
        async with asyncio.timeout(5):
            while await listens(stopping.port):  # noqa: ASYNC110 - nor does a socket that closes
                await asyncio.sleep(0.02)
        writer.write(body)
        head = await reader.readuntil(b"\r\n")
        await stopping_done

        assert head == b"HTTP/1.1 200 OK\r\n"
        assert await rooms.get(sid) is not None
        # Uvicorn ends by the signal that it was sent, once it has finished.
        assert await stopping.exited() == -signal.SIGTERM
        assert "Application shutdown complete" in stopping.log.read_text(encoding="utf-8")
        assert "Traceback" not in stopping.log.read_text(encoding="utf-8")
    finally:
        writer.close()
        await writer.wait_closed()
        await stopping.start()


async def test_no_log_holds_a_key_a_token_or_a_password(
    sender: Sender, receivers: list[Receiver], rooms: RoomStore
) -> None:
    good = event("room_started", new_sid())
    token, forged = sign(good, KEY, SECRET), sign(good, KEY, SECRET[::-1])

    await sender.post(good, authorization=token)
    await sender.post(good, authorization=forged)
    await sender.post(good + b"}")
    await sender.post(event("room_started", new_sid(), metadata="not JSON"))
    await sender.post(event("track_published", new_sid()))

    log = receivers[0].log.read_text(encoding="utf-8")
    assert '"message": "webhook rejected"' in log
    assert '"message": "webhook handled"' in log
    signatures = (token.rpartition(".")[2], forged.rpartition(".")[2])
    for secret in (SECRET, OLD_SECRET, TURN_PASSWORD, "turnPassword", *signatures):
        assert secret not in log


async def begun(
    port: int, *, length: int, authorization: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose body the receiver is waiting for: it has answered 100 Continue."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    signed = authorization or sign(b"of another body", KEY, SECRET)
    head = f"Host: receiver\r\nAuthorization: {signed}\r\nContent-Length: {length}\r\nExpect: 100-continue"
    writer.write(f"POST /livekit/webhook HTTP/1.1\r\n{head}\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    return reader, writer


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def rejections(sender: Sender, reason: str) -> float:
    return await sender.counted("switchboard_webhook_rejections_total", reason=reason)
