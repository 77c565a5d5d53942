"""Spans without what was said, for other services: as livekit-agents leaves it out for all but LiveKit Cloud.

Its own code for this is part of the SDK, which the console does not import: it is seconds and hundreds of megabytes.
tests/unit/ops/console/test_privacy.py compares the two.
"""

from __future__ import annotations

from opentelemetry.proto.trace.v1.trace_pb2 import Span

PRIVATE = frozenset(
    {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.tool.description",
        "gen_ai.tool.definitions",
        "gen_ai.retrieval.query.text",
        "gen_ai.retrieval.documents",
        "gen_ai.memory.query.text",
        "gen_ai.memory.records",
        "gen_ai.evaluation.explanation",
        "exception.message",
        "exception.stacktrace",
    }
)
PRIVATE_EVENTS = frozenset(
    {
        "gen_ai.system.message",
        "gen_ai.user.message",
        "gen_ai.assistant.message",
        "gen_ai.tool.message",
        "gen_ai.choice",
        "gen_ai.client.inference.operation.details",
    }
)
_VARIABLE = "gen_ai.prompt.variable"


def is_private(attribute: str) -> bool:
    """Tell whether an attribute may hold what was said, or a prompt."""
    return "pii" in attribute.split(".") or attribute in PRIVATE or attribute.startswith(_VARIABLE)


def strip(span: Span) -> None:
    """Take out of a span what may hold what was said."""
    events = [event for event in span.events if event.name not in PRIVATE_EVENTS]
    if len(events) < len(span.events):
        del span.events[:]
        span.events.extend(events)
    for attributes in (span.attributes, *(event.attributes for event in span.events)):
        kept = [each for each in attributes if not is_private(each.key)]
        if len(kept) < len(attributes):
            del attributes[:]
            attributes.extend(kept)
    span.status.message = ""
