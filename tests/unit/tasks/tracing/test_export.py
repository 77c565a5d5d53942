from __future__ import annotations

import os
import threading

import pytest

from tasks.tracing import current, span, start, started, unsupported
from tasks.tracing.export import is_configured

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_endpoint_turns_tracing_on(name: str) -> None:
    assert is_configured({name: "http://collector:4318"})


@pytest.mark.parametrize(
    "more",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_opentelemetrys_other_variables_turn_it_off(more: dict[str, str]) -> None:
    assert not is_configured(ENDPOINT | more)


def test_without_any_variable_it_is_off_and_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    before = threading.enumerate()
    assert start("test") is None
    assert started() is None
    assert threading.enumerate() == before
    with span("dispatch", "PRODUCER") as opened:
        opened.set(sid="RM_1")
        opened.fail("NoTenant")
        assert current() is None


def test_a_protocol_that_is_not_spoken_is_said() -> None:
    problem = unsupported(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert problem is not None
    assert "4318" in problem
    assert unsupported(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) is None
    assert unsupported({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) is None
