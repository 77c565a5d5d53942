"""A collector: it takes OTLP over HTTP, parses the protobuf, and keeps the spans. It can be slow, or refuse."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class SentSpan:
    """A span as it was sent. Times are in unix ns, ids in hex."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: tuple[str, ...]
    links: tuple[str, ...]
    failed: bool


@dataclass
class OtlpSink:
    """What a collector has received. `status`: its answer. `released`: unless it is set, no request is answered."""

    port: int = 0
    status: int = 200
    spans: list[SentSpan] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    requests: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> list[SentSpan]:
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        for resource in request.resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        SentSpan(
                            name=span.name,
                            service=about.get("service.name", ""),
                            trace=span.trace_id.hex(),
                            id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            start=span.start_time_unix_nano,
                            end=span.end_time_unix_nano,
                            attributes={each.key: _value(each.value) for each in span.attributes},
                            events=tuple(event.name for event in span.events),
                            links=tuple(link.span_id.hex() for link in span.links),
                            failed=span.status.code == 2,
                        )
                    )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None


@contextmanager
def otlp_sink(*, status: int = 200, hangs: bool = False) -> Iterator[OtlpSink]:
    """A collector that answers with `status`, or not at all."""
    sink = OtlpSink(status=status)
    if not hangs:
        sink.released.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sink.requests += 1
            sink.released.wait()
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if sink.status == 200 and self.path == "/v1/traces":
                sink.take(body)
            self.send_response(sink.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """A process that has ended has left its request."""

    server = Server(("127.0.0.1", 0), Handler)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
