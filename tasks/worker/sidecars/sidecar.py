"""A process beside the worker's children, for all its calls."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable

from tasks import logs
from tasks.worker import death_signal, stop_signals

FIRST_FD = 3
"""The first file descriptor after standard input, output and error."""

logger = logging.getLogger("switchboard.tasks.worker")


class Sidecar:
    """A process that is forked from the worker's main process, replaced when it dies, and ends with the worker.

    `main` runs in it. A sidecar that needs an interpreter of its own replaces itself there with `os.execv`.
    `inherited_fd`: the one file descriptor that it keeps, beside the standard ones.

    It ignores the signals by which a worker drains: until the worker ends, its calls go on and need the sidecar.
    """

    def __init__(self, name: str, main: Callable[[], object], *, inherited_fd: int | None = None) -> None:
        self._name = name
        self._main = main
        self._inherited_fd = inherited_fd
        self._pid: int | None = None

    def ensure_running(self) -> None:
        """Start the process, or start it again if it has died."""
        if self._pid is not None:
            ended, status = os.waitpid(self._pid, os.WNOHANG)
            if not ended:
                return
            exit_code = os.waitstatus_to_exitcode(status)
            logger.error("sidecar died", extra={"sidecar": self._name, "pid": self._pid, "exit_code": exit_code})
        parent = os.getpid()
        with stop_signals.held():
            self._pid = os.fork()
            if not self._pid:
                self._run(parent)
        logger.info("sidecar started", extra={"sidecar": self._name, "pid": self._pid})

    def _run(self, parent: int) -> None:
        try:
            self._detach(parent)
            logs.add_fields(process="sidecar", sidecar=self._name)
            self._main()
        except Exception:
            logger.exception("sidecar failed", extra={"sidecar": self._name})
        finally:
            os._exit(os.EX_SOFTWARE)

    @property
    def pid(self) -> int | None:
        """The process id, from its first start on."""
        return self._pid

    def stop(self) -> None:
        """Kill the process, if it runs."""
        if self._pid is None:
            return
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._pid = None

    def _detach(self, parent: int) -> None:
        """Give up what the process has inherited from the worker."""
        stop_signals.ignore()
        os.setsid()
        death_signal.request(parent)
        kept = self._inherited_fd or FIRST_FD
        os.closerange(FIRST_FD, kept)
        os.closerange(kept if self._inherited_fd is None else kept + 1, os.sysconf("SC_OPEN_MAX"))
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
