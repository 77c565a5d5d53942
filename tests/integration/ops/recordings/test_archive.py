"""The recordings of an installation: on a folder and SQLite, and on S3 and PostgreSQL."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moto.server import ThreadedMotoServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ops.recordings.archive import Archive
from ops.recordings.chunk_cipher import NotDecryptable
from ops.recordings.object_store import ObjectStore, RecordingNotFound, RecordingUnavailable
from ops.recordings.store import Source
from ops.recordings.tenant_keys import TenantKeyUnreadable
from tasks.errors import InvalidSetting
from tasks.records import Database
from tasks.settings import DatabaseSettings, Settings
from tests.support import databases

KEYS = ("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=")
BUCKET = "recordings"
NO_REDIS: Any = None
"""None of these tests lets tenants' days end."""


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    """moto's S3, which is where the environment says."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            environment.setenv(name, value)
        assert httpx.put(f"http://{host}:{port}/{BUCKET}").is_success
        yield
    server.stop()


def settings_of(database: DatabaseSettings, url: str, *keys: str, encrypted: bool = True) -> Settings:
    return Settings.read(
        {
            "LIVEKIT_API_KEY": "key",
            "LIVEKIT_API_SECRET": "secret",
            "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
            "SWITCHBOARD_RECORDINGS_URL": url,
            "SWITCHBOARD_RECORDINGS_ENCRYPTED": str(encrypted),
            "SWITCHBOARD_ENCRYPTION_KEYS": ",".join(keys or KEYS[:1]),
        }
    )


@pytest.fixture(params=["file", "s3"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "file":
        return settings_of(await databases.sqlite(tmp_path), f"file://{tmp_path}/recordings")
    request.getfixturevalue("s3")
    database = await databases.postgresql(request.getfixturevalue("postgres"))
    return settings_of(database, f"s3://{BUCKET}/{tmp_path.name}")


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database.open(settings.database) as opened:
        yield opened


@pytest.fixture
def archive(settings: Settings, database: Database) -> Archive:
    return Archive(settings, database, NO_REDIS)


async def pieces(content: bytes, length: int = 60_000, *, breaks_off: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(content), length):
        yield content[start : start + length]
    if breaks_off:
        raise ConnectionError


def audio_files(settings: Settings) -> list[Path]:
    return list(Path(settings.recordings.url.removeprefix("file://")).rglob("*.ogg"))


async def whole(archive: Archive, attempt: int = 1) -> bytes:
    audio = await archive.recordings.audio("RM_1", attempt)
    return b"".join([data async for data in audio.read()])


def span(number: int) -> dict[str, Any]:
    ids = {"trace_id": "t" * 32, "span_id": f"{number:016x}", "parent_id": ""}
    times = {"began_ns": 10**18 + number, "ended_ns": 10**18 + 2 * number}
    return {**ids, **times, "name": f"span {number}", "failed": False, "attributes": {"of": "it"}, "events": []}


async def put_audio(archive: Archive, source: Source, content: bytes) -> None:
    await archive.store.begin(source)
    assert await archive.store.put_audio(source, pieces(content), began_ms=1)


async def test_any_part_of_the_audio_is_read_as_it_was_written(archive: Archive) -> None:
    # A tenant may be called anything.
    source = Source("../a c%me/ü", "RM_1", 1)
    # Longer than a part of S3, and no whole number of chunks.
    content = secrets.token_bytes((6 << 20) + 12_345)
    await put_audio(archive, source, content)
    audio = await archive.recordings.audio("RM_1", 1, tenant=source.tenant)
    chunk, size = 64 * 1024, len(content)
    ranges = [(0, size), (0, 1), (chunk - 1, chunk + 1), (chunk, 2 * chunk), (size - 1, size), (5, 3 << 20), (7, 7)]
    for begin, end in ranges:
        assert b"".join([data async for data in audio.read(begin, end)]) == content[begin:end]
    assert await archive.deletion.erase("RM_1")
    with pytest.raises(RecordingNotFound):
        await archive.recordings.audio("RM_1", 1)


async def test_of_an_upload_that_breaks_off_no_object_and_no_row_is_left(archive: Archive, settings: Settings) -> None:
    source = Source("acme", "RM_1", 1)
    await archive.store.begin(source)
    content = bytes(11 << 20)
    with pytest.raises(RecordingUnavailable):
        await archive.store.put_audio(source, pieces(content, breaks_off=True), began_ms=1)
    with pytest.raises(RecordingNotFound):
        await archive.recordings.audio("RM_1", 1)
    assert await ObjectStore(settings.recordings.url).delete_below("acme/RM_1") == 0


async def test_attempts_are_one_timeline_and_what_was_said_before_is_there_once(archive: Archive) -> None:
    first, second = (Source("acme", "RM_1", attempt) for attempt in (1, 2))
    question = {"id": "item_1", "type": "message", "role": "user", "content": ["hello"], "created_at": 1_000.5}
    answered = question | {
        "metrics": {"end_of_turn_delay": 0.25, "started_speaking_at": 1000.1, "stopped_speaking_at": 1000.4}
    }
    reply = {"id": "item_2", "type": "message", "role": "assistant", "content": ["hi"], "created_at": 1_002.0}
    await archive.store.put_session(first, summary={}, transcript=[answered])
    await archive.store.put_session(second, summary={}, transcript=[question, reply])
    await archive.store.put_spans(first, [span(1)])
    await archive.store.put_spans(second, [span(2), span(2)])
    call = await archive.recordings.call("RM_1", tenant="acme")
    assert call is not None
    assert [(item.attempt, item.text) for item in call.transcript] == [(1, "hello"), (2, "hi")]
    assert call.transcript[0].latencies_ms == {"end_of_turn_delay": 250.0}
    assert call.transcript[0].speech_ms == (1_000_100, 1_000_400)
    assert [(each.attempt, each.name) for each in call.spans] == [(1, "span 1"), (2, "span 2")]
    assert [attempt.arrived for attempt in call.attempts] == [("transcript", "traces"), ("transcript", "traces")]
    only = await archive.recordings.call("RM_1", attempts=[2])
    assert only is not None
    assert [attempt.attempt for attempt in only.attempts] == [2]


async def test_what_was_recorded_and_did_not_arrive_is_said(archive: Archive, database: Database) -> None:
    recorded = {"at:recording_audio": "5", "at:recording_transcript": "5"}
    await databases.write(database, [databases.attempt_entry("RM_1") | recorded, databases.attempt_entry("RM_2")])
    await archive.store.put_session(Source("acme", "RM_1", 1), summary={}, transcript=[])
    call = await archive.recordings.call("RM_1", tenant="acme")
    assert call is not None
    assert call.attempts[0].arrived == ("transcript",)
    assert call.attempts[0].missing + call.attempts[0].pending == ("audio",)
    assert await archive.recordings.call("RM_2") is None


async def test_a_player_gets_the_parts_that_it_asks_for(archive: Archive) -> None:
    content = secrets.token_bytes(200_000)
    await put_audio(archive, Source("acme", "RM_1", 1), content)

    async def audio(request: Request) -> Response:
        return await archive.recordings.audio_response(request, "RM_1", 1)

    app = Starlette(routes=[Route("/audio", audio)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        whole = await client.get("/audio")
        assert (whole.status_code, whole.content) == (200, content)
        assert whole.headers["accept-ranges"] == "bytes"
        for wanted, expected in {
            "bytes=0-0": content[:1],
            "bytes=65530-65540": content[65530:65541],
            "bytes=199990-": content[199990:],
            "bytes=-10": content[-10:],
            "bytes=100-99999999": content[100:],
        }.items():
            part = await client.get("/audio", headers={"Range": wanted})
            assert (part.status_code, part.content) == (206, expected)
            assert part.headers["content-range"].endswith("/200000")
        for wanted in ("bytes=200000-", "bytes=5-4", "bytes=-0"):
            assert (await client.get("/audio", headers={"Range": wanted})).status_code == 416
        etag = whole.headers["etag"]
        changed = await client.get("/audio", headers={"Range": "bytes=0-0", "If-Range": '"another"'})
        same = await client.get("/audio", headers={"Range": "bytes=0-0", "If-Range": etag})
        assert (changed.status_code, same.status_code) == (200, 206)
        head = await client.head("/audio")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "200000", b"")


@pytest.mark.parametrize("settings", ["file"], indirect=True)
async def test_encryption_keys_are_rotated_and_without_them_nothing_is_read(
    archive: Archive, settings: Settings, database: Database
) -> None:
    await put_audio(archive, Source("acme", "RM_1", 1), b"OggS" * 1000)
    new = Archive(settings_of(settings.database, settings.recordings.url, KEYS[1], KEYS[0]), database, NO_REDIS)
    assert await new.keys.reencrypt() == 1
    assert await new.keys.reencrypt() == 0
    without_old = Archive(settings_of(settings.database, settings.recordings.url, KEYS[1]), database, NO_REDIS)
    assert await whole(without_old) == b"OggS" * 1000
    with_old_alone = Archive(settings, database, NO_REDIS)
    with pytest.raises(TenantKeyUnreadable):
        await with_old_alone.recordings.audio("RM_1", 1)


@pytest.mark.parametrize("settings", ["file"], indirect=True)
async def test_encryption_may_be_switched_on_and_off(settings: Settings, database: Database, archive: Archive) -> None:
    plain = Archive(settings_of(settings.database, settings.recordings.url, encrypted=False), database, NO_REDIS)
    for number, (written_by, read_by) in enumerate(((plain, archive), (archive, plain)), start=1):
        source = Source("acme", "RM_1", number)
        await put_audio(written_by, source, b"OggS" * 1000)
        await written_by.store.put_session(source, summary={"a": 1}, transcript=[])
        assert await whole(read_by, number) == b"OggS" * 1000
        call = await read_by.recordings.call("RM_1")
        assert call is not None
        assert call.attempts[-1].summary == {"a": 1}


@pytest.mark.parametrize("settings", ["file"], indirect=True)
async def test_audio_that_was_moved_changed_or_cut_off_is_not_played(archive: Archive, settings: Settings) -> None:
    await put_audio(archive, Source("acme", "RM_1", 1), bytes(200_000))
    (file,) = audio_files(settings)
    content = file.read_bytes()
    changed_at_100, changed_at_the_end = bytearray(content), bytearray(content)
    # What is there is random, so a byte that is put in its place may be the same one.
    changed_at_100[100] ^= 1
    changed_at_the_end[-1] ^= 1
    cut_off = content[: 32 + 2 * (64 * 1024 + 16)]
    for altered in (changed_at_100, changed_at_the_end, cut_off):
        file.write_bytes(altered)
        with pytest.raises(NotDecryptable):
            await whole(archive)


def test_encrypted_recordings_need_encryption_keys_of_their_own(tmp_path: Path) -> None:
    settings = Settings.read(
        {
            "LIVEKIT_API_KEY": "key",
            "LIVEKIT_API_SECRET": "secret",
            "SWITCHBOARD_RECORDINGS_URL": f"file://{tmp_path}/recordings",
            "SWITCHBOARD_RECORDINGS_ENCRYPTED": "true",
        }
    )
    database: Any = None
    with pytest.raises(InvalidSetting, match="SWITCHBOARD_ENCRYPTION_KEYS"):
        Archive(settings, database, NO_REDIS)


@pytest.mark.usefixtures("s3")
async def test_a_bucket_that_is_missing_is_named_as_what_is_missing_and_no_recording() -> None:
    objects = ObjectStore("s3://nowhere/recordings")
    # In one request, and in parts.
    for size in (1, 11 << 20):
        with pytest.raises(RecordingUnavailable, match="NoSuchBucket"):
            await objects.put("acme/RM_1/1-x.ogg", pieces(bytes(size)))
    with pytest.raises(RecordingUnavailable, match="NoSuchBucket"):
        await objects.delete_below("acme/RM_1")


@pytest.mark.usefixtures("s3")
async def test_a_bucket_that_keeps_what_is_deleted_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    for bucket, states in (("plain", []), ("versioned", ["Enabled"]), ("suspended", ["Enabled", "Suspended"])):
        async with httpx.AsyncClient(base_url=os.environ["AWS_ENDPOINT_URL"]) as owner:
            assert (await owner.put(f"/{bucket}")).is_success
            for state in states:
                body = f"<VersioningConfiguration><Status>{state}</Status></VersioningConfiguration>"
                assert (await owner.put(f"/{bucket}?versioning", content=body)).is_success
        objects = ObjectStore(f"s3://{bucket}/recordings")
        caplog.clear()
        for size in (1, 11 << 20):
            await objects.put(f"acme/RM_1/{size}.ogg", pieces(bytes(size)))
        said = [record.message for record in caplog.records if record.name.startswith("switchboard")]
        warning = "the bucket keeps what is deleted: switch its versioning off"
        assert said == ([warning] if bucket == "versioned" else []), bucket


async def test_an_object_store_that_is_away_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    objects = ObjectStore("s3://bucket/recordings")
    with pytest.raises(RecordingUnavailable, match="SWITCHBOARD_RECORDINGS_URL"):
        await objects.size("a")
