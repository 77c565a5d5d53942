"""The turn detector's sidecar: livekit-agents' local end-of-turn model, in one process for all calls of the worker.

It is forked, so that it shares the model's weights with the children.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pipeline.runtime import turn_detector_server
from tasks.worker.sidecars.sidecar import Sidecar

BACKLOG = 128

_NOT_PRELOADED = {"0", "false", "no", "off"}


def turn_detector(folder: Path) -> Sidecar | None:
    """Return the sidecar, with its socket in `folder`; None if this worker does not load the model.

    The children that are forked from now on ask it. It is best started when its worker is complete: each later change
    of shared memory costs the sidecar a copy.
    """
    if os.environ["LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE"].strip().lower() in _NOT_PRELOADED:
        return None
    address = str(folder / "end-of-turn")
    # Open for as long as the worker lives: a call that asks while there is no sidecar waits for the next one.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(BACKLOG)
    turn_detector_server.install_remote_eot(address)
    return Sidecar("turn detector", lambda: turn_detector_server.serve(listener), inherited_fd=listener.fileno())
