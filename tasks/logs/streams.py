"""`print`, warnings and uncaught exceptions, as lines of the log."""

from __future__ import annotations

import io
import logging
import sys
import threading
from types import TracebackType
from typing import BinaryIO, TextIO

_writing = threading.local()


class LogHandler(logging.StreamHandler[TextIO]):
    """A handler that never raises, and whose own failure is a line of JSON, too."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Log that a record could not be written, instead of printing a traceback."""
        error = sys.exception()
        if isinstance(error, OSError) or getattr(_writing, "failed", False):
            # Nobody reads the log any more.
            return
        _writing.failed = True
        try:
            problem = {"record": record.name, "line": f"{record.pathname}:{record.lineno}", "problem": repr(error)}
            logging.getLogger("switchboard.logs").error("record could not be logged", extra=problem)
        finally:
            _writing.failed = False


class LoggedStream(io.TextIOBase):
    """A stream whose lines are logged: what an agent or a library prints. `fileno` is that of the real one."""

    def __init__(self, name: str, level: int, real: TextIO) -> None:
        super().__init__()
        self._logger = logging.getLogger(name)
        self._level = level
        self._real = real
        self._rest = ""

    def write(self, text: str) -> int:
        """Log the lines that are complete."""
        if getattr(_writing, "stream", False):
            # The log itself prints: better not as JSON than for ever.
            return self._real.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        _writing.stream = True
        try:
            for line in filter(str.strip, lines):
                self._logger.log(self._level, line)
        finally:
            _writing.stream = False
        return len(text)

    def flush(self) -> None:
        """Log the line that has no end yet: after this the process may be gone."""
        if self._rest.strip() and not getattr(_writing, "stream", False):
            self.write("\n")

    def fileno(self) -> int:
        """Return the real stream's file descriptor, for faulthandler and for programs that are started."""
        return self._real.fileno()

    @property
    def buffer(self) -> BinaryIO:
        """The real stream's, past the log, for programs that write bytes."""
        return self._real.buffer

    def isatty(self) -> bool:
        """Return False: its lines are for programs."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The real stream's encoding."""
        return self._real.encoding


def redirect() -> None:
    """Log what this process prints from now on, its warnings, and exceptions that nobody catches."""
    for name, level, real in (
        ("stdout", logging.INFO, sys.__stdout__),
        ("stderr", logging.WARNING, sys.__stderr__),
    ):
        # None in a process without streams.
        if real is not None and not isinstance(getattr(sys, name), LoggedStream):
            setattr(sys, name, LoggedStream(name, level, real))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("switchboard.uncaught").critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is None or issubclass(failed.exc_type, SystemExit):
        return
    logging.getLogger("switchboard.uncaught").critical(
        "uncaught exception in a thread",
        extra={"in_thread": failed.thread.name if failed.thread else None},
        exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback),
    )
