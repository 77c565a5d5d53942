from __future__ import annotations

from collections.abc import Iterator

import pytest
from livekit.agents.telemetry import trace_types, tracer
from opentelemetry import trace

from pipeline.runtime.telemetry import export_spans
from tasks.tracing.sdk import Tracing
from tests.support.otlp_sink import OtlpSink, otlp_sink

SAID = "my card number is four two four two"


@pytest.fixture(autouse=True)
def provider() -> Iterator[None]:
    """Leave livekit-agents' provider as it was."""
    before = tracer._tracer_provider
    yield
    tracer.set_provider(before)


def fail_in_a_span() -> None:
    with tracer.start_as_current_span("llm_node") as span:
        span.set_attribute(trace_types.ATTR_USER_TRANSCRIPT, SAID)
        span.set_attribute(trace_types.ATTR_GEN_AI_INPUT_MESSAGES, SAID)
        span.set_attribute(trace_types.ATTR_RESPONSE_TTFT, 0.25)
        span.add_event(trace_types.EVENT_GEN_AI_USER_MESSAGE, {"content": SAID})
        raise ValueError(SAID)


def spans_of_an_agent(sink: OtlpSink, monkeypatch: pytest.MonkeyPatch, *, allow_pii: bool) -> bytes:
    """The bytes that are sent of what livekit-agents, and an agent that fails, have written."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
    tracing = Tracing("test", allow_pii=allow_pii)
    export_spans(tracing.provider, allow_pii=allow_pii)
    with pytest.raises(ValueError, match="four"):
        fail_in_a_span()
    assert tracing.flush(20)
    tracing.provider.shutdown()
    (sent,) = sink.spans
    assert (sent.failed, sent.attributes[trace_types.ATTR_RESPONSE_TTFT]) == (True, 0.25)
    return b"".join(sink.raw)


def test_what_was_said_is_left_out_also_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_sink() as sink:
        assert SAID.encode() not in spans_of_an_agent(sink, monkeypatch, allow_pii=False)


def test_it_is_sent_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_sink() as sink:
        assert spans_of_an_agent(sink, monkeypatch, allow_pii=True).count(SAID.encode()) >= 4


def test_the_global_provider_is_left_to_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_sink() as sink:
        spans_of_an_agent(sink, monkeypatch, allow_pii=False)
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
