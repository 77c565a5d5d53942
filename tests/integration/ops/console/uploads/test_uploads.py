"""What the console does with uploads: of the SDK's own making, broken ones, repeated ones, and those of strangers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from livekit.agents import ChatContext
from livekit.agents.observability import Tagger
from livekit.agents.telemetry import traces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from ops.recordings.archive import Archive
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tests.integration.ops.console.uploads.conftest import serving
from tests.integration.ops.console.uploads.sender import PREFIX, SECRET, Sender, header, ogg, stored_files
from tests.support.otlp_sink import otlp_sink
from tests.support.tenants import declare
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
MB = 1 << 20
CHAT = json.dumps({"items": [{"id": "item_1", "type": "message", "role": "user", "content": ["hello"]}]}).encode()


@pytest.fixture(autouse=True)
def api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)


async def read(archive: Archive, sid: str, begin: int = 0, end: int | None = None) -> bytes:
    audio = await archive.recordings.audio(sid, 1)
    return b"".join([data async for data in audio.read(begin, end)])


def export(url: str, job: str, *names: str, **attributes: Any) -> None:
    """Send spans with the SDK's exporter, the inner ones first."""
    provider = TracerProvider(shutdown_on_exit=False)
    with traces._AuthRefreshingSession(traces._AuthHeaderProvider()) as session:
        exporter = OTLPSpanExporter(
            endpoint=f"{url}{PREFIX}/traces/otlp/v0", compression=Compression.Gzip, session=session
        )
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        stamps = {"job_id": job, "room_id": job.partition(":")[0]}
        with tracer.start_as_current_span(names[0], attributes=stamps | attributes):
            for name in names[1:]:
                with tracer.start_as_current_span(name, attributes=stamps):
                    pass
        provider.shutdown()


async def test_a_report_of_the_sdk_is_there_with_its_audio_of_which_any_part_can_be_read(
    sender: Sender, archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    job = await sender.room("acme")
    sid = job.partition(":")[0]
    content = ogg(30.0)
    (tmp_path / "audio.ogg").write_bytes(content)
    chat = ChatContext.empty()
    chat.add_message(role="user", content="what are your opening hours")
    chat.add_message(role="assistant", content="from nine to five")
    await sender.upload_report(job, chat, tmp_path / "audio.ogg", tagger=Tagger())
    call = await archive.recordings.call(sid, tenant="acme")
    assert call is not None
    assert [(item.role, item.text) for item in call.transcript] == [
        ("user", "what are your opening hours"),
        ("assistant", "from nine to five"),
    ]
    (part,) = call.audio
    assert abs(part.duration_ms - 30_000) <= 20
    assert part.size == len(content)
    assert call.attempts[0].arrived == ("audio", "transcript")
    assert call.attempts[0].summary["user_turns"] == 1
    assert await read(archive, sid) == content
    assert await read(archive, sid, 65_530, 65_550) == content[65_530:65_550]
    assert await archive.recordings.call(sid, tenant="writer") is None
    # Nothing of it is readable where it is kept.
    database = Path(settings.database.url.get_secret_value().removeprefix("sqlite:///"))
    kept = [*stored_files(settings), *database.parent.glob(f"{database.name}*")]
    assert not [path for path in kept if any(secret in path.read_bytes() for secret in (b"OpusHead", b"opening hours"))]


async def test_what_is_uploaded_again_is_there_once(sender: Sender, archive: Archive, settings: Settings) -> None:
    job = await sender.room("acme")
    sid = job.partition(":")[0]
    before = len(stored_files(settings))
    audio = ogg(1.0)
    upload = (("header", header(job)), ("chat_history", CHAT), ("audio", audio))
    answers = await asyncio.gather(*(sender.post_parts(*upload) for _ in range(3)))
    answers.append(await sender.post_parts(*upload))
    assert {answer.status for answer in answers} == {200}
    await asyncio.to_thread(export, sender.url, job, "call", "turn")
    call = await archive.recordings.call(sid)
    assert call is not None
    assert len(call.transcript) == len(call.audio) == 1
    assert len(stored_files(settings)) == before + 1
    assert await read(archive, sid) == audio


async def test_spans_may_come_before_their_parents_and_twice(sender: Sender, archive: Archive) -> None:
    job = await sender.room("acme")
    sid = job.partition(":")[0]
    await asyncio.to_thread(export, sender.url, job, "call", "turn", "llm")
    call = await archive.recordings.call(sid)
    assert call is not None
    assert [span.name for span in call.spans] == ["call", "turn", "llm"]
    assert call.spans[1].parent_id == call.spans[0].span_id
    assert call.attempts[0].arrived == ("traces",)


async def test_a_tenant_that_records_the_transcript_has_nothing_else_kept(
    sender: Sender, archive: Archive, settings: Settings
) -> None:
    job = await sender.room("writer")
    before = len(stored_files(settings))
    answer = await sender.post_parts(("header", header(job)), ("chat_history", CHAT), ("audio", ogg(1.0)))
    assert answer.status == 200
    await asyncio.to_thread(export, sender.url, job, "call")
    call = await archive.recordings.call(job.partition(":")[0])
    assert call is not None
    assert call.attempts[0].arrived == ("transcript",)
    assert len(stored_files(settings)) == before


async def test_of_a_tenant_that_records_nothing_nothing_is_kept_and_the_sdk_stops(
    sender: Sender, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    job = await sender.room("silent")
    traces._upload_gate.reset()
    chat = ChatContext.empty()
    chat.add_message(role="user", content="hello")
    await sender.upload_report(job, chat, None, tagger=Tagger())
    assert traces._upload_gate.disabled
    traces._upload_gate.reset()
    assert await archive.recordings.call(job.partition(":")[0]) is None
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_audio_is_never_in_memory_as_a_whole(sender: Sender, archive: Archive) -> None:
    job = await sender.room("acme")
    seed = os.urandom(MB)
    memory = psutil.Process().memory_info().rss
    peak, digest = 0, hashlib.sha256()

    async def slowly() -> AsyncIterator[bytes]:
        nonlocal peak
        yield b"--x\r\nContent-Disposition: form-data; name=header\r\n\r\n" + header(job)
        yield b"\r\n--x\r\nContent-Disposition: form-data; name=audio\r\n\r\n"
        for _ in range(15):
            digest.update(seed)
            yield seed
            peak = max(peak, psutil.Process().memory_info().rss)
        yield b"\r\n--x--\r\n"

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await sender.post("/recordings/v0", slowly(), headers=form)).status == 200
    # Two parts of 5 MB, and what the connection holds, of both sides: all of it is in this process.
    assert peak - memory < 14 * MB
    assert hashlib.sha256(await read(archive, job.partition(":")[0])).digest() == digest.digest()


async def test_while_redis_is_away_the_sender_is_asked_to_try_again(
    sender: Sender, archive: Archive, redis_server: RedisServer
) -> None:
    job = await sender.room("acme")
    redis_server.pause()
    try:
        answer = await sender.post_parts(("header", header(job)), ("chat_history", CHAT))
    finally:
        redis_server.resume()
    assert answer.status == 503
    assert traces._parse_retry_delay(answer.body) == 3.0
    assert (await sender.post_parts(("header", header(job)), ("chat_history", CHAT))).status == 200


async def test_a_tenant_that_stops_recording_has_nothing_kept_from_then_on(
    sender: Sender, archive: Archive, redis_server: RedisServer
) -> None:
    async with redis_server.client() as client:
        await declare(client, '[tenants.fickle]\ntier = "premium"\nrecord = ["transcript"]', prune=False)
        job = await sender.room("fickle")
        await declare(client, '[tenants.fickle]\ntier = "premium"', prune=False)
    answer = await sender.post_parts(("header", header(job)), ("chat_history", CHAT))
    assert answer.status == 401
    assert traces._UploadGate.is_disabled_response(answer.status, answer.body)
    assert await archive.recordings.call(job.partition(":")[0]) is None


async def test_what_was_erased_does_not_come_back(sender: Sender, archive: Archive, settings: Settings) -> None:
    job = await sender.room("acme")
    sid = job.partition(":")[0]
    before = len(stored_files(settings))
    upload = (("header", header(job)), ("chat_history", CHAT), ("audio", ogg(1.0)))
    assert (await sender.post_parts(*upload)).status == 200
    await asyncio.to_thread(export, sender.url, job, "call")
    assert await archive.deletion.erase(sid)
    assert (await sender.post_parts(*upload)).status == 200
    await asyncio.to_thread(export, sender.url, job, "call")
    assert len(stored_files(settings)) == before
    call = await archive.recordings.call(sid)
    assert call is not None
    assert call.attempts[0].erased
    assert (call.audio, call.transcript, call.spans) == ((), (), ())


async def test_after_its_days_a_recording_is_deleted_and_those_of_other_tenants_stay(
    sender: Sender, archive: Archive, redis_server: RedisServer
) -> None:
    async with redis_server.client() as client:
        await declare(client, '[tenants.short]\ntier = "premium"\nrecord = ["audio"]\nrecord_days = 1', prune=False)
    jobs = {tenant: await sender.room(tenant) for tenant in ("short", "acme")}
    for job in jobs.values():
        assert (await sender.post_parts(("header", header(job)), ("audio", ogg(1.0)))).status == 200
    sids = {tenant: job.partition(":")[0] for tenant, job in jobs.items()}
    now_ms, day_ms = int(time.time() * 1000), 24 * 3600 * 1000
    assert await archive.expiry.delete_expired(now_ms + day_ms // 2) == 0
    assert await archive.expiry.delete_expired(now_ms + 2 * day_ms) == 1
    assert await archive.recordings.call(sids["short"]) is None
    assert await archive.recordings.call(sids["acme"]) is not None


@asynccontextmanager
async def passing_on(
    settings: Settings, redis_server: RedisServer, url: str
) -> AsyncIterator[tuple[Sender, Archive, str]]:
    """A console that passes traces on, a sender, and the job of a call."""
    recordings = settings.recordings.model_copy(update={"traces_url": url})
    async with (
        serving(settings.model_copy(update={"recordings": recordings})) as (port, archive),
        redis_server.client() as client,
        Sender.open(port, RoomStore(client)) as sender,
    ):
        yield sender, archive, await sender.room("acme")


async def test_traces_are_passed_on_without_what_was_said(settings: Settings, redis_server: RedisServer) -> None:
    with otlp_sink() as collector:
        async with passing_on(settings, redis_server, f"{collector.endpoint}/v1/traces") as (sender, _, job):
            said = {"lk.pii.text": "hello", "gen_ai.input.messages": "hello", "kept": "yes"}
            await asyncio.to_thread(export, sender.url, job, "call", "turn", **said)

            async def passed_on() -> bool:
                return bool(collector.named("call"))

            await until(passed_on)
    (call,) = collector.named("call")
    assert call.attributes["kept"] == "yes"
    assert not call.attributes.keys() & {"lk.pii.text", "gen_ai.input.messages"}
    assert collector.named("turn")[0].parent == call.id


async def test_a_service_that_takes_no_traces_disturbs_nothing(
    settings: Settings, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with passing_on(settings, redis_server, "http://127.0.0.1:1/v1/traces") as (sender, archive, job):
        await asyncio.to_thread(export, sender.url, job, "call")
        assert await archive.recordings.call(job.partition(":")[0]) is not None

        async def said() -> bool:
            return "traces not passed on" in caplog.messages

        await until(said)
