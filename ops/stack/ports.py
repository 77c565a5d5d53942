"""Free loopback ports, chosen before any process starts, because they must know each other's addresses."""

from __future__ import annotations

import contextlib
import random
import socket

from ops.stack.errors import NoFreePort

HOST = "127.0.0.1"

# Below the ephemeral ports of Linux (32768-60999) and macOS (49152-65535): an outgoing connection could otherwise take
# a port between the choice and the start of its server.
LOW, HIGH = 20000, 32000
TRIES = 200


class PortPicker:
    """A picker of ports that are free for TCP and for UDP. It returns no port twice."""

    def __init__(self) -> None:
        self._picked: set[int] = set()

    def pick(self) -> int:
        """Return a free port. Raises NoFreePort."""
        for _ in range(TRIES):
            # Random, and not the next port: several stacks of one test run pick at the same time.
            port = random.randrange(LOW, HIGH)  # noqa: S311 - nothing secret
            if port not in self._picked and _free(port, socket.SOCK_STREAM) and _free(port, socket.SOCK_DGRAM):
                self._picked.add(port)
                return port
        raise NoFreePort(tried=TRIES, low=LOW, high=HIGH, host=HOST)


def _free(port: int, kind: socket.SocketKind) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, kind)) as trial:
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
        return True
