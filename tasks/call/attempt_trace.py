"""The spans of one attempt in the trace of its call: see `tasks.tracing` for the shape."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode

from tasks import logs, tracing
from tasks.call.ending import Ended, Lost
from tasks.rooms import LossCause
from tasks.tracing import TraceParent
from tasks.tracing.sdk import Tracing, attempt_context

if TYPE_CHECKING:
    from tasks.call.ending import Ending
    from tasks.rooms import Room

PHASES = {"connecting": ("prepare", "join"), "joined": ("join", None)}
"""The steps at which the span of a phase ends, and the next one begins."""
WAITS = (("wait", "waiting", "queued"), ("queue", "queued", "claimed"))
"""Spans before the claim, from step to step."""
NS = 1_000_000
"""Nanoseconds in a millisecond."""


class AttemptTrace:
    """The trace of one attempt, from its claim. Without tracing, each method does nothing.

    `began_ns`: when the claim was sent, unix ns. `lost_claim_ms`: when the attempt before was claimed, unix ms, if its
    process has died and left its span to this one.
    """

    def __init__(self, room: Room, *, began_ns: int, lost_claim_ms: int | None = None) -> None:
        self._room = room
        self._tracing = tracing.started()
        self._phases: dict[str, Span] = {}
        self._span: Span | None = None
        dispatch = TraceParent.parse(room.trace)
        if self._tracing is not None:
            self._span = self._begin(self._tracing, dispatch, began_ns, lost_claim_ms)
        elif dispatch is not None:
            logs.add_fields(trace_id=dispatch.trace_hex)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make the attempt's span current, so that those of livekit-agents and of the agent are in it."""
        with contextlib.ExitStack() as stack:
            if self._span is not None:
                stack.enter_context(trace.use_span(self._span, record_exception=False, set_status_on_exception=False))
            yield

    def step(self, name: str) -> None:
        """Note that the call has reached a step."""
        if self._span is None:
            return
        self._span.add_event(name)
        ended, begun = PHASES.get(name, (None, None))
        if ended in self._phases:
            self._phases.pop(ended).end()
        if begun is not None:
            self._start_phase(begun)

    def over(self, ending: Ending, *, lease_lost: bool) -> None:
        """End the attempt's span, as soon as it is known how the attempt has ended. Only the first call counts.

        Not if another attempt has the lease: that one writes this span, as it cannot know that this process lives.
        """
        span, self._span = self._span, None
        if span is None or self._tracing is None or lease_lost:
            return
        handed_over = isinstance(ending, Lost) and ending.cause is LossCause.HANDED_OVER
        failed = not (isinstance(ending, Ended) or handed_over)
        for phase in self._phases.values():
            phase.set_status(StatusCode.ERROR)
            phase.end()
        span.set_attribute("switchboard.ending", "handed over" if handed_over else type(ending).__name__.lower())
        if self._tracing.allow_pii:
            # It may hold what a provider has answered.
            span.set_attribute("switchboard.reason", ending.reason)
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end()

    def _begin(self, exported: Tracing, dispatch: TraceParent | None, began_ns: int, lost_claim_ms: int | None) -> Span:
        room = self._room
        ids = attempt_context(dispatch, room.sid, room.attempt)
        before = attempt_context(dispatch, room.sid, room.attempt - 1) if room.attempt > 1 else None
        logs.add_fields(trace_id=ids.trace_hex)
        exported.attributes.update(
            {
                "switchboard.sid": room.sid,
                "switchboard.tenant": room.tenant,
                "switchboard.tier": room.tier,
                "switchboard.attempt": room.attempt,
            }
        )
        span = exported.start_span(
            "attempt",
            "CONSUMER",
            parent=dispatch,
            start_ns=began_ns,
            link=before,
            ids=ids,
            attributes={"switchboard.worker": room.worker, "switchboard.queue": room.queue},
        )
        self._within = ids
        for name, begin, end in WAITS:
            if begin in room.steps_ms and end in room.steps_ms:
                start_ns = room.steps_ms[begin] * NS
                waited = exported.start_span(name, parent=dispatch or ids, start_ns=start_ns)
                waited.end(room.steps_ms[end] * NS)
        if before is not None and lost_claim_ms is not None:
            self._write_lost(exported, dispatch, before, lost_claim_ms)
        exported.start_span("claim", parent=ids, start_ns=began_ns).end()
        self._start_phase("prepare")
        return span

    def _write_lost(self, exported: Tracing, dispatch: TraceParent | None, before: TraceParent, claim_ms: int) -> None:
        """Write the span of the attempt before, whose process has died with it."""
        lost = exported.start_span(
            "attempt",
            "CONSUMER",
            parent=dispatch,
            start_ns=claim_ms * NS,
            ids=before,
            attributes={"switchboard.attempt": self._room.attempt - 1, "switchboard.ending": "lost"},
        )
        lost.set_status(StatusCode.ERROR)
        lost.end(self._room.steps_ms.get("lost", claim_ms) * NS)

    def _start_phase(self, name: str) -> None:
        if self._tracing is not None:
            self._phases[name] = self._tracing.start_span(name, parent=self._within)
