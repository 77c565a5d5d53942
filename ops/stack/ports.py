"""Free loopback ports, chosen before any process starts, because they must know each other's addresses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import ClassVar

from ops.stack.errors import NoFreePort

HOST = "127.0.0.1"

# Below the ephemeral ports of Linux (32768-60999) and macOS (49152-65535): an outgoing connection could otherwise take
# a port between the choice and the start of its server.
LOW, HIGH = 20000, 32000
TRIES = 200


class PortPicker:
    """A picker of ports that are free for TCP and for UDP, each at most once on this machine.

    Between the choice of a port and the start of its server, and while that server is down, the port is free for
    anybody. So each is reserved, until this process ends, by a lock on the byte with its number in a file that all
    processes of this user share.
    """

    _given: ClassVar[set[int]] = set()

    def pick(self) -> int:
        """Return a free port. Raises NoFreePort."""
        for _ in range(TRIES):
            # Random, and not the next port: several stacks of one test run pick at the same time.
            port = random.randrange(LOW, HIGH)  # noqa: S311 - nothing secret
            if port not in self._given and _free(port) and _reserve(port):
                self._given.add(port)
                return port
        raise NoFreePort(tried=TRIES, low=LOW, high=HIGH, host=HOST)


def _free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with contextlib.closing(socket.socket(socket.AF_INET, kind)) as trial:
            try:
                trial.bind((HOST, port))
            except OSError:
                return False
    return True


def _reserve(port: int) -> bool:
    try:
        # Of this process alone: a child that is forked does not have it.
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations() -> int:
    # Never closed: with any descriptor of the file all locks of this process on it would go.
    file = Path(tempfile.gettempdir()) / f"livekit-switchboard-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
