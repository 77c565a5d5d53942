"""Traces and log lines, as OTLP has them: parsed, and told apart by the job that each is of."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ops.console.uploads.errors import Malformed

JOB, ROOM = "job_id", "room_id"
STAMPS = frozenset({JOB, ROOM, "room", "logger.name", "service.name"})
"""Attributes that are on each span and each line, and say nothing of it."""
DEEPEST = 20

Request = TypeVar("Request", bound=Message)
ByJob = dict[str, list[dict[str, Any]]]


def parse_traces(content: bytes) -> ExportTraceServiceRequest:
    """Parse a request with traces. Raises Malformed."""
    return _parse(ExportTraceServiceRequest(), content)


def parse_logs(content: bytes) -> ExportLogsServiceRequest:
    """Parse a request with log lines. Raises Malformed."""
    return _parse(ExportLogsServiceRequest(), content)


def job_of(span: Span | LogRecord, resource: dict[str, Any]) -> str:
    """Return the job of a span or a line; "" if it names none."""
    of_it = next((each.value.string_value for each in span.attributes if each.key == JOB), "")
    return of_it or str(resource.get(JOB, ""))


def spans_by_job(request: ExportTraceServiceRequest) -> ByJob:
    """Return the spans of each job, as `RecordingStore.put_spans` takes them."""
    found: ByJob = defaultdict(list)
    for resource in request.resource_spans:
        of_all = attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                found[job_of(span, of_all)].append(_span(span))
    return found


def lines_by_job(request: ExportLogsServiceRequest) -> ByJob:
    """Return the log lines of each job, as `RecordingStore.put_logs` takes them."""
    found: ByJob = defaultdict(list)
    for resource in request.resource_logs:
        of_all = attributes(resource.resource.attributes)
        for scope in resource.scope_logs:
            of_scope = attributes(scope.scope.attributes)
            for record in scope.log_records:
                job = job_of(record, of_all) or str(of_scope.get(JOB, ""))
                found[job].append(_line(record, scope.scope.name))
    return found


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as JSON has them."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _span(span: Span) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex(),
        "name": span.name,
        "began_ns": span.start_time_unix_nano,
        "ended_ns": span.end_time_unix_nano,
        "failed": span.status.code == Status.STATUS_CODE_ERROR,
        "attributes": _of_its_own(attributes(span.attributes)),
        "events": [
            {"name": event.name, "at_ns": event.time_unix_nano, "attributes": attributes(event.attributes)}
            for event in span.events
        ],
    }


def _line(record: LogRecord, scope: str) -> dict[str, Any]:
    of_line = attributes(record.attributes)
    body = _value(record.body)
    return {
        "at_ns": record.time_unix_nano or record.observed_time_unix_nano,
        "level": record.severity_text.upper() or "UNSPECIFIED",
        "logger": str(of_line.get("logger.name") or scope),
        "message": body if isinstance(body, str) else "" if body is None else str(body),
        "attributes": _of_its_own(of_line),
    }


def _of_its_own(of_it: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in of_it.items() if key not in STAMPS}


def _value(value: AnyValue, depth: int = 0) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > DEEPEST:
        return None
    if kind == "array_value":
        return [_value(each, depth + 1) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "double_value":
        return _finite(value.double_value)
    return getattr(value, kind)


def _finite(number: float) -> float | str:
    # JSON has no infinity.
    return number if -float("inf") < number < float("inf") else str(number)


def _parse(request: Request, content: bytes) -> Request:
    try:
        request.ParseFromString(content)
    except DecodeError:
        raise Malformed(problem=f"it is no {type(request).__name__}") from None
    return request


def only_jobs(request: ExportTraceServiceRequest, wanted: set[str]) -> ExportTraceServiceRequest:
    """Return a request with the spans of these jobs alone."""
    kept = ExportTraceServiceRequest()
    kept.CopyFrom(request)
    for resource in kept.resource_spans:
        of_all = attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            spans = [span for span in scope.spans if job_of(span, of_all) in wanted]
            if len(spans) < len(scope.spans):
                del scope.spans[:]
                scope.spans.extend(spans)
    return kept


def all_spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """Yield the spans of a request."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans
