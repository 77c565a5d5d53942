"""The end-of-turn process beside this worker's children: forked like them, so that it has the model's weights."""

from __future__ import annotations

import logging
import os
import signal
import socket

from pipeline.runtime import turn_detector_server
from tasks.worker.sidecars import runtime_dir
from tasks.worker.tuning import death_signal

logger = logging.getLogger("switchboard.tasks.worker")

BACKLOG = 128
FIRST_FD = 3
"""After those of input, output and errors."""

_NOT_PRELOADED = {"0", "false", "no", "off"}


class _Host:
    pid: int | None = None
    listener: socket.socket | None = None


def start() -> None:
    """Have the children that are forked from now on ask the process, unless this worker does not load the model.

    `watch` starts it: forked before its worker is complete, it would keep of all that has changed since how it was.
    """
    if os.environ["LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE"].strip().lower() in _NOT_PRELOADED:
        return
    address = str(runtime_dir.path() / "end-of-turn")
    # Open as long as the worker is there: whoever asks while there is no process waits for the next.
    _Host.listener = socket.socket(socket.AF_UNIX)
    _Host.listener.bind(address)
    _Host.listener.listen(BACKLOG)
    turn_detector_server.share(address)


def watch() -> None:
    """Start the process, and again if it has died. A call that was waiting for it predicts on its own from then on."""
    if _Host.listener is None:
        return
    if _Host.pid is not None:
        ended, status = os.waitpid(_Host.pid, os.WNOHANG)
        if not ended:
            return
        logger.error("end-of-turn process died", extra={"status": os.waitstatus_to_exitcode(status)})
    _run(_Host.listener)


def stop() -> None:
    """Stop the process, if there is one."""
    if _Host.listener is None:
        return
    if _Host.pid is not None:
        os.kill(_Host.pid, signal.SIGKILL)
        os.waitpid(_Host.pid, 0)
    _Host.listener.close()
    _Host.pid = _Host.listener = None


def _run(listener: socket.socket) -> None:
    _Host.pid = os.fork()
    if _Host.pid:
        logger.info("end-of-turn process started", extra={"pid": _Host.pid})
        return
    try:
        # The worker's connections are not to be kept open here.
        os.closerange(FIRST_FD, listener.fileno())
        os.closerange(listener.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        # It ends with the worker and not before: while that drains, its calls go on.
        death_signal.request()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        turn_detector_server.serve(listener)
    except Exception:
        logger.exception("end-of-turn process failed")
    finally:
        os._exit(os.EX_SOFTWARE)
