"""The export of this process' spans, by OpenTelemetry's own variables.

It is on where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. The SDK reads the others:
headers, certificates, timeout, compression, sampler, batches, resource. A collector that is away costs spans and
nothing else: they are sent by a thread, from a queue with a bound, and the end of a process waits for `flush` alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.tracing.sdk import Tracing

logger = logging.getLogger("switchboard.tracing")


_started: list[Tracing] = []


def started() -> Tracing | None:
    """Return the tracing of this process, None if it exports nothing."""
    return _started[0] if _started else None


def start(service: str, *, allow_pii: bool = False) -> Tracing | None:
    """Export the spans of this process from now on, if the environment says where to. It starts a thread.

    `service`: its name, if `OTEL_SERVICE_NAME` is not set. `allow_pii`: see `tasks.tracing.sdk`.
    """
    _started.clear()
    if not is_configured():
        return None
    from tasks.tracing.sdk import Tracing  # noqa: PLC0415 - it imports OpenTelemetry's SDK, which takes 0.2 s

    try:
        tracing = Tracing(service, allow_pii=allow_pii)
    except Exception:
        # A misspelt variable of OpenTelemetry's must not keep calls from being answered.
        logger.exception("tracing is off; its variables cannot be used")
        return None
    _started.append(tracing)
    return tracing


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether OpenTelemetry's variables ask for traces over OTLP."""

    def value(name: str) -> str:
        return environment.get(name, "").strip()

    endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or value("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = value("OTEL_SDK_DISABLED").lower() == "true" or value("OTEL_TRACES_EXPORTER") not in {"", "otlp"}
    return bool(endpoint) and not off


def unsupported(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return a sentence about a variable that asks for what there is not, else None."""
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if is_configured(environment) and protocol not in {None, "", "http/protobuf"}:
        return (
            f"traces are sent as http/protobuf, not as {protocol}: name the collector's port for HTTP, most often 4318"
        )
    return None
