"""Spans around the work of this process, and the one that is current.

A span that nothing has kept is not exported: most of LiveKit's webhooks are about calls that have their trace already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tasks.tracing import export
from tasks.tracing.traceparent import TraceParent

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_current: ContextVar[TraceParent | None] = ContextVar("traceparent", default=None)
_open: ContextVar[OpenSpan | None] = ContextVar("open_span", default=None)


class OpenSpan:
    """A span that has not ended. Without tracing it is no span, and each method does nothing."""

    def __init__(self, span: Span | None = None, parent: OpenSpan | None = None) -> None:
        self.is_kept = False
        self.on_keep: Callable[[], object] = lambda: None
        self._span = span
        self._parent = parent

    def keep(self) -> None:
        """Have it exported, and those that it is in."""
        if not self.is_kept:
            self.is_kept = True
            self.on_keep()
        if self._parent is not None:
            self._parent.keep()

    def set(self, **attributes: Any) -> None:
        """Set attributes of Switchboard's: `sid` becomes `switchboard.sid`."""
        if self._span is not None:
            self._span.set_attributes(
                {f"switchboard.{name}": str(value) for name, value in attributes.items() if value}
            )

    def set_status(self, code: int) -> None:
        """Set the status code of a response. An error of the server keeps the span."""
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", code)
        if code >= 500:  # noqa: PLR2004 - HTTP's
            self.fail(str(code))

    def fail(self, error_type: str) -> None:
        """Mark the work as failed, which keeps the span."""
        self.keep()
        if self._span is not None:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415 - only where spans are exported

            self._span.set_attribute("error.type", error_type)
            self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End the span."""
        if self._span is not None and self.is_kept:
            self._span.end()


def current() -> TraceParent | None:
    """Return the context of the span that is current; without tracing that of a request's sender, if it has one."""
    return _current.get()


def set_current(parent: TraceParent | None) -> None:
    """Make this context current, to the end of this task."""
    _current.set(parent)


@contextmanager
def span(name: str, kind: str, attributes: Mapping[str, Any] | None = None) -> Iterator[OpenSpan]:
    """Open a span within the current one, and make it current. `kind`: of OpenTelemetry's SpanKind, by its name.

    An exception marks it as failed, and is not kept from the caller.
    """
    tracing = export.started()
    if tracing is None:
        yield OpenSpan()
        return
    from tasks.tracing.sdk import context_of  # noqa: PLC0415 - only where spans are exported

    started = tracing.start_span(name, kind, parent=_current.get(), attributes=attributes)
    opened = OpenSpan(started, _open.get())
    current_token, open_token = _current.set(context_of(started)), _open.set(opened)
    try:
        yield opened
    except Exception as error:
        opened.fail(type(error).__name__)
        raise
    finally:
        _current.reset(current_token)
        _open.reset(open_token)
        opened.end()


def keep_current() -> None:
    """Have the open span exported: something outside of this process refers to it."""
    if (opened := _open.get()) is not None:
        opened.keep()
