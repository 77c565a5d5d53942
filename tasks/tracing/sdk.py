"""OpenTelemetry's SDK, set up for one process. Only one that exports spans, or runs livekit-agents, imports it.

livekit-agents knows what may be personal in its spans: attributes with `pii` in their names, GenAI's content,
messages of exceptions. Those are left out unless `LIVEKIT_TELEMETRY_ALLOW_PII` is on, and so is what a SIP trunk has
written into the call: headers and addresses.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.util.types import AttributeValue

from tasks.settings.process import process_name
from tasks.tracing.traceparent import TraceParent

SIP = "lk.sip."
SIP_KEPT = frozenset({"lk.sip.callID", "lk.sip.callStatus", "lk.sip.trunkID", "lk.sip.ruleID"})
"""The attributes of a call by telephone that name nobody."""

FLUSH_SECONDS = 1.0
"""The time that a process waits for its last spans. A collector in reach takes some milliseconds."""

logger = logging.getLogger("switchboard.tracing")


def attempt_context(parent: TraceParent | None, sid: str, attempt: int) -> TraceParent:
    """Return the context of an attempt's span, the same in every process.

    `parent`: the dispatch. Where no receiver exports, the trace follows from the sid, so that attempts share it.
    """
    trace_id = parent.trace_id if parent else int.from_bytes(hashlib.sha256(sid.encode()).digest()[:16]) or 1
    digest = hashlib.sha256(f"{trace_id:032x}:{sid}:{attempt}".encode()).digest()
    return TraceParent(trace_id, int.from_bytes(digest[:8]) or 1, sampled=parent.sampled if parent else True)


class ChosenIds(RandomIdGenerator):
    """Random ids, except for a span whose ids are chosen."""

    def __init__(self) -> None:
        # Of a thread: an agent's threads have spans as well.
        self._local = threading.local()

    @contextmanager
    def chosen(self, ids: TraceParent | None) -> Iterator[None]:
        """Give these ids to the span that is started within."""
        self._local.chosen = ids
        try:
            yield
        finally:
            self._local.chosen = None

    def generate_span_id(self) -> int:
        """Return the id of a span."""
        chosen = self._choice()
        return super().generate_span_id() if chosen is None else chosen.span_id

    def generate_trace_id(self) -> int:
        """Return the id of a trace, for a span without a parent."""
        chosen = self._choice()
        return super().generate_trace_id() if chosen is None else chosen.trace_id

    def _choice(self) -> TraceParent | None:
        return getattr(self._local, "chosen", None)


class CheckedExporter(SpanExporter):
    """An exporter that leaves out what may be personal, and says once that a collector does not take the spans."""

    def __init__(self, exporter: SpanExporter, *, allow_pii: bool) -> None:
        self._exporter = exporter
        self._allow_pii = allow_pii
        self.failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans."""
        result = self._exporter.export(spans if self._allow_pii else [without_sip(span) for span in spans])
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self.failing:
            logger.warning("the collector does not take the spans; calls go on", extra={"spans": len(spans)})
        elif self.failing and not failing:
            logger.info("the collector takes spans again")
        self.failing = failing
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: nothing waits here."""
        return self._exporter.force_flush(timeout_millis)


def without_sip(span: ReadableSpan) -> ReadableSpan:
    """Return the span without what a SIP trunk has written into the call."""
    attributes = span.attributes or {}
    left_out = {name for name in attributes if name.startswith(SIP) and name not in SIP_KEPT}
    if not left_out:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={name: value for name, value in attributes.items() if name not in left_out},
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class CommonAttributes(SpanProcessor):
    """The attributes that all spans of a process have, livekit-agents' and the agent's own included."""

    def __init__(self) -> None:
        self.values: dict[str, AttributeValue] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set them on a span that has just started. What it was given itself stays."""
        del parent_context
        given = span.attributes or {}
        span.set_attributes({name: value for name, value in self.values.items() if name not in given})


class Tracing:
    """The tracing of this process. `provider` is for libraries; `attributes` are added to all spans from now on."""

    def __init__(self, service: str, *, allow_pii: bool) -> None:
        # They log each try with a trace. `CheckedExporter` says it once.
        for name in ("opentelemetry.exporter", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.allow_pii = allow_pii
        self._ids = ChosenIds()
        self._common = CommonAttributes()
        version = metadata.version("livekit-switchboard")
        self.provider = TracerProvider(
            resource=Resource.create(
                {
                    "service.name": os.environ.get("OTEL_SERVICE_NAME", "").strip() or service,
                    "service.namespace": "switchboard",
                    "service.version": version,
                    "service.instance.id": process_name(),
                    "host.name": socket.gethostname(),
                    "process.pid": os.getpid(),
                }
            ),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self.provider.add_span_processor(self._common)
        self._exporter = CheckedExporter(OTLPSpanExporter(), allow_pii=allow_pii)
        self.provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self.provider.get_tracer("switchboard", version)

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """The attributes of all spans."""
        return self._common.values

    def start_span(
        self,
        name: str,
        kind: str = "INTERNAL",
        *,
        parent: TraceParent | None,
        attributes: Mapping[str, AttributeValue] | None = None,
        start_ns: int | None = None,
        link: TraceParent | None = None,
        ids: TraceParent | None = None,
    ) -> trace.Span:
        """Start a span. `start_ns`: unix ns, if it has begun earlier. `ids`: its own, if they are chosen."""
        context = Context()
        if parent is not None:
            context = trace.set_span_in_context(trace.NonRecordingSpan(_span_context(parent)), context)
        links = [] if link is None else [trace.Link(_span_context(link))]
        with self._ids.chosen(ids):
            return self._tracer.start_span(name, context, trace.SpanKind[kind], attributes, links, start_ns)

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Send what is queued. Return False if that took longer than this; it then goes on, or ends with the process.

        It is not waited for where the collector has failed just before. The SDK's own `force_flush` takes no deadline.
        """
        if self._exporter.failing:
            return False
        sent = threading.Event()

        def send() -> None:
            self.provider.force_flush()
            sent.set()

        threading.Thread(target=send, name="last spans", daemon=True).start()
        return sent.wait(seconds)


def context_of(span: trace.Span) -> TraceParent:
    """Return the context of a span."""
    context = span.get_span_context()
    return TraceParent(context.trace_id, context.span_id, sampled=context.trace_flags.sampled)


def _span_context(parent: TraceParent) -> trace.SpanContext:
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if parent.sampled else trace.TraceFlags.DEFAULT)
    return trace.SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
