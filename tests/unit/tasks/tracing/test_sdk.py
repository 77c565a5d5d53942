from __future__ import annotations

import threading
import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tasks.tracing import TraceParent
from tasks.tracing.sdk import CheckedExporter, Tracing, attempt_context, without_sip
from tests.support.otlp_sink import otlp_sink

DISPATCH = TraceParent(trace_id=7, span_id=8, sampled=True)


def test_each_process_knows_the_span_of_each_attempt() -> None:
    first, again, second = (attempt_context(DISPATCH, "RM_1", attempt) for attempt in (1, 1, 2))
    assert first == again
    assert first.span_id != second.span_id
    assert {first.trace_id, second.trace_id} == {DISPATCH.trace_id}


def test_attempts_share_a_trace_where_no_receiver_has_begun_one() -> None:
    first, second = (attempt_context(None, "RM_1", attempt) for attempt in (1, 2))
    assert first.trace_id == second.trace_id
    assert attempt_context(None, "RM_2", 1).trace_id != first.trace_id


def test_attempts_of_a_trace_that_is_not_sampled_are_not() -> None:
    assert not attempt_context(TraceParent(7, 8, sampled=False), "RM_1", 1).sampled


def test_what_a_sip_trunk_has_written_is_left_out_and_its_call_id_is_not() -> None:
    span = ReadableSpan("agent_session", attributes={"lk.sip.callID": "SCL_1", "lk.sip.h.from": "+1555", "other": 1})
    assert without_sip(span).attributes == {"lk.sip.callID": "SCL_1", "other": 1}


class Refusing(SpanExporter):
    def __init__(self) -> None:
        self.refuses = True

    def export(self, spans: object) -> SpanExportResult:
        del spans
        return SpanExportResult.FAILURE if self.refuses else SpanExportResult.SUCCESS


def test_a_collector_that_refuses_is_logged_once_and_once_more_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    refusing = Refusing()
    exporter = CheckedExporter(refusing, allow_pii=False)
    for _ in range(3):
        exporter.export([ReadableSpan("x")])
    refusing.refuses = False
    for _ in range(3):
        exporter.export([ReadableSpan("x")])
    assert [record.message for record in caplog.records] == [
        "the collector does not take the spans; calls go on",
        "the collector takes spans again",
    ]


def test_a_flush_returns_within_its_deadline_though_the_collector_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    # An agent of an earlier test may have left its own, of livekit's tracing.
    before = set(threading.enumerate())
    with otlp_sink(hangs=True) as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
        tracing = Tracing("test", allow_pii=False)
        tracing.start_span("late", parent=None).end()
        begun = time.monotonic()
        assert not tracing.flush(0.3)
        assert time.monotonic() - begun < 3
        sink.released.set()
        # What hung goes on, so that the next test has no thread of this one.
        assert tracing.flush(20)
        tracing.provider.shutdown()
    assert len(sink.named("late")) == 1
    left = {thread.name for thread in threading.enumerate() if thread not in before}
    assert "OtelBatchSpanRecordProcessor" not in left


@pytest.mark.parametrize("status", [400, 500, 503])
def test_a_flush_returns_though_the_collector_refuses(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with otlp_sink(status=status) as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        tracing = Tracing("test", allow_pii=False)
        tracing.start_span("refused", parent=None).end()
        begun = time.monotonic()
        tracing.flush(0.3)
        assert time.monotonic() - begun < 3
        tracing.provider.shutdown()
    assert sink.requests
    assert not sink.spans


def test_the_ids_that_are_chosen_are_those_of_one_span_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
        tracing = Tracing("test", allow_pii=False)
        tracing.attributes["switchboard.attempt"] = 2
        chosen = attempt_context(DISPATCH, "RM_1", 1)
        tracing.start_span(
            "attempt", parent=DISPATCH, ids=chosen, attributes={"switchboard.attempt": 1}, start_ns=5
        ).end(9)
        tracing.start_span("claim", parent=chosen).end()
        assert tracing.flush(20)
        tracing.provider.shutdown()
    attempt, claim = sorted(sink.spans, key=lambda span: span.name)
    assert (attempt.id, attempt.parent) == (f"{chosen.span_id:016x}", f"{DISPATCH.span_id:016x}")
    assert (attempt.start, attempt.end, attempt.attributes["switchboard.attempt"]) == (5, 9, 1)
    assert (claim.parent, claim.attributes["switchboard.attempt"]) == (attempt.id, 2)
    assert claim.id != attempt.id
