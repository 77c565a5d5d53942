"""The inference process beside this worker: one for all its calls, and only if an agent's plugin registered a model."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from livekit.agents.inference_runner import _InferenceRunner

from pipeline.runtime.inference_server import InferenceClient
from tasks.worker.sidecars import runtime_dir

STOP_SECONDS = 5.0

logger = logging.getLogger("switchboard.tasks.worker")


class _Host:
    process: subprocess.Popen[bytes] | None = None
    socket: Path | None = None
    command: tuple[str, ...] = ()


def start(agents: Iterable[str]) -> None:
    """Start the process if one of the imported agents needs it."""
    if not _InferenceRunner.registered_runners:
        return
    _Host.socket = runtime_dir.path() / "inference"
    command = (sys.executable, "-m", "pipeline.runtime.inference_server", str(_Host.socket), str(os.getpid()))
    _Host.command = (*command, *sorted(agents))
    _run()


def watch() -> None:
    """Start the process again if it has died. Calls that had asked it something are told so; later ones wait for it."""
    if _Host.process is not None and _Host.process.poll() is not None:
        logger.error("inference process died", extra={"status": _Host.process.returncode})
        _run()


def _run() -> None:
    if _Host.socket is not None:
        _Host.socket.unlink(missing_ok=True)
    _Host.process = subprocess.Popen(_Host.command, stdin=subprocess.DEVNULL)
    logger.info("inference process started", extra={"pid": _Host.process.pid})


def stop() -> None:
    """Stop the process, if there is one."""
    if _Host.process is None:
        return
    _Host.process.terminate()
    try:
        _Host.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _Host.process.kill()
        _Host.process.wait()


def client() -> InferenceClient | None:
    """A client for this child's call, or None where no process runs."""
    return None if _Host.socket is None else InferenceClient(_Host.socket)
