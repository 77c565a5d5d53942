"""Uploads that are refused: of strangers, of calls that are not ours, malformed, endless, or never finished."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
from livekit import api

from ops.console.uploads import body as bodies
from ops.recordings.archive import Archive
from tasks.settings import Settings
from tests.integration.ops.console.uploads.sender import PREFIX, SECRET, Sender, header, ogg, stored_files, token

pytestmark = pytest.mark.asyncio(loop_scope="module")
MB = 1 << 20


def of_caller() -> str:
    """A token that a caller joins its room with."""
    grants = api.VideoGrants(room_join=True, room="room")
    return f"Bearer {api.AccessToken('key', SECRET).with_identity('caller').with_grants(grants).to_jwt()}"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (lambda: "", 401),
        (lambda: "Bearer nonsense", 401),
        (lambda: f"Bearer {token(secret='another secret that is long enough')}", 401),
        (lambda: f"Bearer {token(key='unknown')}", 401),
        (lambda: f"Bearer {token(seconds=-3600)}", 401),
        (lambda: f"Bearer {token(write=False)}", 403),
        (of_caller, 403),
    ],
)
async def test_a_stranger_uploads_nothing(
    sender: Sender, archive: Archive, authorization: Callable[[], str], status: int
) -> None:
    job = await sender.room("acme")
    paths = ("/recordings/v0", "/traces/otlp/v0", "/logs/otlp/v0", "/metrics/otlp/v0")
    answers = [await sender.post(path, b"x", authorization=authorization()) for path in paths]
    assert {answer.status for answer in answers} == {status}
    assert await archive.recordings.call(job.partition(":")[0]) is None


async def test_an_upload_of_a_call_that_is_not_ours_is_refused(sender: Sender) -> None:
    job = await sender.room("acme")
    assert (await sender.post_parts(("header", header("RM_unknown:1")))).status == 404
    # Of an attempt that there has not been yet.
    assert (await sender.post_parts(("header", header(job.replace(":1", ":2"))))).status == 404
    assert (await sender.post_parts(("header", header("../../etc:1")))).status == 400


@pytest.mark.parametrize(
    "parts",
    [
        (("audio", b"OggS"),),
        (("header", b"\xff\xff\xff"),),
        (("header", "JOB"), ("chat_history", b"[1]")),
        (("header", "JOB"), ("chat_history", b"{" * 5000)),
        (("header", "JOB"), ("chat_history", b'{"items": 3}')),
    ],
)
async def test_an_upload_that_is_malformed_is_refused(sender: Sender, parts: tuple[tuple[str, Any], ...]) -> None:
    job = await sender.room("acme")
    answer = await sender.post_parts(*((name, header(job) if content == "JOB" else content) for name, content in parts))
    assert answer.status == 400


async def test_a_body_that_is_no_multipart_or_no_protobuf_is_refused(sender: Sender) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await sender.post("/recordings/v0", b"hello")).status == 400
    assert (await sender.post("/recordings/v0", b"hello", headers=form)).status == 400
    assert (await sender.post("/recordings/v0", b"--x\r\nA: b\r\n\r\n", headers=form)).status in {400, 408}
    for path in ("/traces/otlp/v0", "/logs/otlp/v0"):
        assert (await sender.post(path, b"\xff\xff")).status == 400
        assert (await sender.post(path, b"no gzip", headers={"Content-Encoding": "gzip"})).status == 400
        assert (await sender.post(path, b"x", headers={"Content-Encoding": "br"})).status == 400


async def test_a_bomb_is_refused_without_being_unpacked(sender: Sender) -> None:
    bomb = gzip.compress(bytes(100 * MB), 1)
    memory = psutil.Process().memory_info().rss
    answer = await sender.post("/traces/otlp/v0", bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status == 413
    assert psutil.Process().memory_info().rss - memory < 96 * MB


async def test_an_upload_that_is_too_long_is_refused_and_nothing_of_it_is_kept(
    sender: Sender, archive: Archive, settings: Settings
) -> None:
    job = await sender.room("acme")
    before = len(stored_files(settings))
    assert (await sender.post_parts(("header", header(job)), ("audio", io.BytesIO(bytes(17 * MB))))).status == 413

    async def endless() -> AsyncIterator[bytes]:
        # Without a length.
        yield b"--x\r\nContent-Disposition: form-data; name=header\r\n\r\n" + header(job)
        yield b"\r\n--x\r\nContent-Disposition: form-data; name=audio\r\n\r\n"
        for _ in range(20):
            yield bytes(MB)

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await sender.post("/recordings/v0", endless(), headers=form)).status == 413
    assert len(stored_files(settings)) == before
    call = await archive.recordings.call(job.partition(":")[0])
    assert call is not None
    assert call.attempts[0].arrived == ()


async def test_a_sender_that_falls_silent_or_leaves_is_cut_off_and_nothing_of_its_audio_is_kept(
    sender: Sender, archive: Archive, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.3)
    job = await sender.room("acme")
    before = len(stored_files(settings))
    for ending in ("silent", "leaves"):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sender.url.rpartition(":")[2]))
        writer.write(
            f"POST {PREFIX}/recordings/v0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n".encode()
        )
        writer.write(b"--x\r\nContent-Disposition: form-data; name=header\r\n\r\n" + header(job))
        writer.write(b"\r\n--x\r\nContent-Disposition: form-data; name=audio\r\n\r\n" + bytes(200_000))
        await writer.drain()
        if ending == "silent":
            assert b"408" in await asyncio.wait_for(reader.readline(), 20)
        writer.close()
    # And the whole of it, later.
    answer = await sender.post_parts(("header", header(job)), ("audio", ogg(1.0)))
    assert answer.status == 200
    assert len(stored_files(settings)) == before + 1
