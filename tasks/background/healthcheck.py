"""The health check of a background worker, `python -m tasks.background.healthcheck [NODE]`: exit 0 if it is alive.

Its scheduler writes the time into a file, also while Redis is away: a restart would not bring that back. Exit 1 says
that it was not seen for a minute.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

LIVE_SECONDS = 60.0


def file_of(node: str) -> Path:
    """Return the file of a node."""
    return Path(tempfile.gettempdir()) / f"switchboard-background-{node}"


class Marker:
    """The file of one background worker."""

    def __init__(self, node: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(file_of(node), flags, 0o600)

    def mark(self) -> None:
        """Write the time, by a clock that all processes of a host share and that no step of the host's changes."""
        os.pwrite(self._file, f"{time.monotonic():020.3f}".encode(), 0)


def main() -> int:
    """Check, and return 0 or 1. A reason for 1 goes to stderr."""
    parser = argparse.ArgumentParser(prog="healthcheck", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("node", nargs="?", default=f"celery@{socket.gethostname()}")
    node = parser.parse_args().node
    try:
        seconds = time.monotonic() - float(file_of(node).read_text("ascii"))
    except (OSError, ValueError):
        sys.stderr.write(f"{node} was never seen here\n")
        return 1
    if seconds > LIVE_SECONDS:
        sys.stderr.write(f"{node} was last seen {seconds:.0f} s ago\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
