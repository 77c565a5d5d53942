"""What is recorded of a call and uploaded, of agents as livekit's users write them."""

from __future__ import annotations

import asyncio
import io
import json
import math
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio
from livekit import rtc
from livekit.agents import Agent, JobContext
from livekit.agents.telemetry import traces
from livekit.protocol.metrics import MetricsRecordingHeader
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader

from ops.stack.livekit import LiveKitServer
from pipeline.options import RecordOptions
from pipeline.outcome import CallOutcome, EndedBy
from pipeline.phase import Phase
from pipeline.providers.local.sphinx import SAMPLE_RATE, recognise
from pipeline.runtime import recording_encoder
from tests.integration.pipeline.live_call import NAME_OF, LiveCall, calling, starter_session
from tests.support.speech import resampled
from tests.support.upload_sink import UploadSink, upload_sink

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # livekit-agents', for the log lines that it uploads.
    pytest.mark.filterwarnings("ignore:`LoggingHandler` in `opentelemetry-sdk` is deprecated:DeprecationWarning"),
]
EVERYTHING = RecordOptions(audio=True, transcript=True, traces=True, logs=True)
OPUS_RATE = 48000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sink() -> AsyncIterator[UploadSink]:
    # One for all: livekit-agents keeps the first address of a process, and sends the metrics of all its calls there,
    # every 30 s: those of one test could arrive during the next one.
    def never_by_itself(exporter: MetricExporter, **_: object) -> PeriodicExportingMetricReader:
        return PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traces, "PeriodicExportingMetricReader", never_by_itself)
        async with upload_sink() as opened:
            yield opened


@pytest.fixture(autouse=True)
def uploading(sink: UploadSink, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder for temporary files of the test's call."""
    sink.forget()
    monkeypatch.setenv("LIVEKIT_OBSERVABILITY_URL", sink.url)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files(folder: Path, pattern: str = "*") -> list[Path]:
    return [path for path in folder.rglob(pattern) if path.is_file()]


async def unmodified(ctx: JobContext) -> None:
    await starter_session().start(Agent(instructions=""), room=ctx.room)


class Greeter(Agent):
    async def on_enter(self) -> None:
        self.session.say("hello how can i help you")


async def greeter(ctx: JobContext) -> None:
    await starter_session().start(Greeter(instructions=""), room=ctx.room)


async def talk(call: LiveCall) -> None:
    """Have a caller say a name, which is then in the conversation, and leave."""
    async with call.person("caller") as caller:
        await call.sees("caller")
        await call.hears(caller, "john")


def side(ogg: bytes, index: int) -> bytes:
    """One side of a recording, at the recogniser's rate."""
    with av.open(io.BytesIO(ogg), mode="r") as container:
        frames = [frame.to_ndarray()[index] for frame in container.decode(audio=0)]
    samples = (np.concatenate(frames) * 32767).astype(np.int16)
    return resampled(samples.tobytes(), OPUS_RATE, SAMPLE_RATE)


def input_rate(ogg: bytes) -> int:
    """Return the rate of the samples that were encoded (RFC 7845, 5.1)."""
    head = ogg.index(b"OpusHead")
    return int.from_bytes(ogg[head + 12 : head + 16], "little")


def header_of(sink: UploadSink) -> MetricsRecordingHeader:
    return MetricsRecordingHeader.FromString(sink.session["header"])


def messages(sink: UploadSink) -> list[dict[str, Any]]:
    items = json.loads(sink.session["chat_history"])["items"]
    return [item for item in items if item["type"] == "message"]


async def test_everything_of_an_unmodified_agent_is_uploaded_when_it_has_left(
    livekit: LiveKitServer, sink: UploadSink
) -> None:
    sink.released.clear()
    async with calling(livekit, greeter, record=EVERYTHING, empty_grace_seconds=0.5) as call:
        async with call.person("caller") as caller:
            await call.greets(caller)
            await call.hears(caller, "john")
        await asyncio.wait_for(sink.arrived.wait(), 20)
        await call.tells(lambda: Phase.UPLOADING in call.phases)
        # Nobody waits for the upload but its process.
        assert call.room is not None
        assert call.room.connection_state == rtc.ConnectionState.CONN_DISCONNECTED
        assert call.ends == [CallOutcome("room empty", EndedBy.CALLERS)]
        assert call.usage
        sink.released.set()
        assert await call.end() == CallOutcome("room empty", EndedBy.CALLERS)
    assert call.phases[-2:] == [Phase.ENDING, Phase.UPLOADING]
    assert {step for step in call.steps if step.startswith("recording")} == {
        "recording_audio",
        "recording_transcript",
        "recording_traces",
        "recording_logs",
    }
    assert header_of(sink).room_id == call.options.room_sid
    assert header_of(sink).job_id == f"{call.options.room_sid}:1"
    said = [message["content"][0] for message in messages(sink) if message["role"] == "user"]
    assert NAME_OF.format("john") in said
    assert {"agent_session", "job_entrypoint", "user_turn"} <= sink.span_names
    assert sink.log_lines
    caller_side = await asyncio.to_thread(recognise, side(sink.session["audio"], 0), [NAME_OF.format("john")])
    agent_side = await asyncio.to_thread(recognise, side(sink.session["audio"], 1), ["hello how can i help you"])
    assert NAME_OF.format("john") in caller_side
    assert agent_side[:1] == ["hello how can i help you"]
    assert input_rate(sink.session["audio"]) == recording_encoder.SAMPLE_RATE, "livekit-agents' own encoder"


async def test_of_a_tenant_with_transcripts_alone_no_audio_is_recorded_even_if_its_agent_asks(
    livekit: LiveKitServer, sink: UploadSink, uploading: Path
) -> None:
    async def asking(ctx: JobContext) -> None:
        await starter_session().start(Agent(instructions=""), room=ctx.room, record=True)

    async with calling(livekit, asking, record=RecordOptions(transcript=True), empty_grace_seconds=0.5) as call:
        await talk(call)
        await call.tells(lambda: bool(sink.requests.get("recordings")))
        await call.end()
    assert sink.session.keys() == {"header", "chat_history"}
    assert sink.requests.keys() <= {"recordings", "metrics"}
    assert messages(sink)
    assert not files(uploading, "*.ogg")
    assert [step for step in call.steps if step.startswith("recording")] == ["recording_transcript"]


async def test_an_agent_may_record_less(livekit: LiveKitServer, sink: UploadSink) -> None:
    async def shy(ctx: JobContext) -> None:
        await starter_session().start(Agent(instructions=""), room=ctx.room, record={"audio": False, "traces": False})

    async with calling(livekit, shy, record=EVERYTHING, empty_grace_seconds=0.5) as call:
        await talk(call)
        await call.end()
    assert sink.session.keys() == {"header", "chat_history"}
    assert "traces" not in sink.requests


async def test_of_a_tenant_that_records_nothing_nothing_is_written_or_sent(
    livekit: LiveKitServer, sink: UploadSink, uploading: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIVEKIT_OBSERVABILITY_URL")
    async with calling(livekit, unmodified, empty_grace_seconds=0.5) as call:
        await talk(call)
        found = files(uploading)
        await call.end()
    assert not found
    assert not sink.requests
    assert Phase.UPLOADING not in call.phases
    assert not [step for step in call.steps if step.startswith("recording")]


async def test_redaction_takes_what_was_said_out_of_spans_and_leaves_the_transcript(
    livekit: LiveKitServer, sink: UploadSink
) -> None:
    redacted = RecordOptions(transcript=True, traces=True, redaction=True)
    async with calling(livekit, unmodified, record=redacted, empty_grace_seconds=0.5) as call:
        await talk(call)
        await call.end()
    assert header_of(sink).redaction_enabled
    assert messages(sink)
    assert sink.span_names
    assert not any(b"john" in content for content in sink.requests["traces"])


async def test_an_upload_that_hangs_delays_nothing_but_the_end_of_its_process(
    livekit: LiveKitServer, sink: UploadSink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.released.clear()
    record = RecordOptions(transcript=True, upload_seconds=1.0)
    async with calling(livekit, unmodified, record=record, empty_grace_seconds=0.5) as call:
        await talk(call)
        assert await call.end() == CallOutcome("room empty", EndedBy.CALLERS)
    assert "recording not uploaded in time" in caplog.messages


async def test_a_refused_upload_is_logged_once_and_changes_nothing(
    livekit: LiveKitServer, sink: UploadSink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.answer = 404
    async with calling(livekit, unmodified, record=RecordOptions(transcript=True), empty_grace_seconds=0.5) as call:
        await talk(call)
        assert await call.end() == CallOutcome("room empty", EndedBy.CALLERS)
    assert caplog.messages.count("recording not uploaded") == 1
