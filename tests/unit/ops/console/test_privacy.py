"""What is left out of the spans that other services get, beside what livekit-agents leaves out."""

from __future__ import annotations

import pytest
from livekit.agents.telemetry import pii, trace_types
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ops.console.uploads.privacy import PRIVATE_EVENTS, is_private, strip

NAMES = [value for name, value in vars(trace_types).items() if name.startswith("ATTR_") and isinstance(value, str)]


def test_the_attributes_are_those_of_livekit_agents() -> None:
    assert len(NAMES) > 100
    exceptions = {trace_types.ATTR_EXCEPTION_MESSAGE, trace_types.ATTR_EXCEPTION_TRACE}
    differing = [name for name in NAMES if is_private(name) != (pii.is_pii_attribute(name) or name in exceptions)]
    assert not differing
    assert frozenset(pii.PII_EVENT_NAMES) == PRIVATE_EVENTS


@pytest.mark.parametrize("name", ["lk.pii.text", "gen_ai.prompt.variable.name", "gen_ai.input.messages"])
def test_a_span_and_its_events_lose_them(name: str) -> None:
    said = KeyValue(key=name, value=AnyValue(string_value="hello"))
    kept = KeyValue(key="lk.kept", value=AnyValue(int_value=1))
    span = Span(attributes=[said, kept])
    span.events.add(name="kept", attributes=[said, kept])
    span.events.add(name="gen_ai.choice", attributes=[kept])
    span.status.message = "hello"
    strip(span)
    assert b"hello" not in span.SerializeToString()
    assert [list(span.attributes), *(list(event.attributes) for event in span.events)] == [[kept], [kept]]
