from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tasks import tracing
from tasks.call.attempt_trace import AttemptTrace
from tasks.call.ending import Ended, Ending, Lost, Unanswerable
from tasks.logs import fields
from tasks.rooms import EndedBy, LossCause, Room, State
from tests.support.otlp_sink import OtlpSink, otlp_sink

DISPATCH = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENDED = Ended("room empty", EndedBy.CALLERS)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpSink]:
    monkeypatch.setattr(fields, "_of_process", {})
    quiet = {name: logging.getLogger(name).level for name in ("opentelemetry.exporter", "urllib3")}
    with otlp_sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
        started = tracing.start("test")
        assert started is not None
        yield sink
        started.provider.shutdown()
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    tracing.start("test")
    for name, level in quiet.items():
        logging.getLogger(name).setLevel(level)


def room(attempt: int = 1, *, trace: str = DISPATCH) -> Room:
    return Room(
        sid="RM_1",
        name="call-acme-1",
        tenant="acme",
        tier="premium",
        queue="premium",
        state=State.RUNNING,
        attempt=attempt,
        worker="celery@one",
        pid=7,
        reason="",
        handed_over=False,
        steps_ms={"waiting": 1000, "queued": 3000, "claimed": 3500, "lost": 2500},
        trace=trace,
    )


def sent(sink: OtlpSink) -> OtlpSink:
    exported = tracing.started()
    assert exported is not None
    assert exported.flush(20)
    return sink


def test_the_wait_and_the_time_in_the_queue_are_spans_of_the_dispatch(sink: OtlpSink) -> None:
    AttemptTrace(room(), began_ns=3_400_000_000).over(ENDED, lease_lost=False)
    (wait,), (queue,), (attempt,) = (sent(sink).named(name) for name in ("wait", "queue", "attempt"))
    assert (wait.start, wait.end) == (1_000_000_000, 3_000_000_000)
    assert (queue.start, queue.end) == (3_000_000_000, 3_500_000_000)
    assert {wait.parent, queue.parent, attempt.parent} == {"00f067aa0ba902b7"}
    assert attempt.start == 3_400_000_000


@pytest.mark.parametrize(
    ("ending", "said", "failed"),
    [
        (ENDED, "ended", False),
        (Lost("its worker stops", LossCause.HANDED_OVER), "handed over", False),
        (Lost("it crashed"), "lost", True),
        (Unanswerable("no such tenant"), "unanswerable", True),
    ],
)
def test_an_attempt_says_how_it_has_ended_and_not_why(
    sink: OtlpSink, ending: Ending, said: str, *, failed: bool
) -> None:
    trace = AttemptTrace(room(), began_ns=1)
    trace.step("connecting")
    trace.over(ending, lease_lost=False)
    trace.over(ENDED, lease_lost=False)
    (attempt,), (join,) = sent(sink).named("attempt"), sink.named("join")
    assert (attempt.attributes["switchboard.ending"], attempt.failed) == (said, failed)
    # The agent never was in the room.
    assert join.failed
    assert ending.reason.encode() not in b"".join(sink.raw)


def test_an_attempt_that_has_lost_its_lease_leaves_its_span_to_the_next_one(sink: OtlpSink) -> None:
    AttemptTrace(room(1), began_ns=1).over(Lost("lease lost"), lease_lost=True)
    assert not sent(sink).named("attempt")
    AttemptTrace(room(2), began_ns=5, lost_claim_ms=2000).over(ENDED, lease_lost=False)
    first, second = sorted(sent(sink).named("attempt"), key=lambda span: span.attributes["switchboard.attempt"])
    assert second.links == (first.id,)
    assert (first.start, first.end) == (2_000_000_000, 2_500_000_000)
    assert first.id != second.id


def test_an_attempt_that_writes_its_span_itself_is_not_written_again(sink: OtlpSink) -> None:
    AttemptTrace(room(2), began_ns=5, lost_claim_ms=None).over(ENDED, lease_lost=False)
    assert [span.attributes["switchboard.attempt"] for span in sent(sink).named("attempt")] == [2]


def test_a_trace_that_is_not_sampled_sends_nothing(sink: OtlpSink) -> None:
    trace = AttemptTrace(room(trace=DISPATCH[:-2] + "00"), began_ns=1)
    trace.step("connecting")
    trace.over(ENDED, lease_lost=False)
    assert not sent(sink).spans


def test_the_log_of_the_process_names_the_trace(sink: OtlpSink) -> None:
    AttemptTrace(room(), began_ns=1).over(ENDED, lease_lost=False)
    assert fields.common_fields()["trace_id"] == DISPATCH.split("-")[1]
