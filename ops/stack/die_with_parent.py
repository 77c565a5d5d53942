"""The first thing a process of the stack runs: it ties its life to its parent's, then becomes the command it was given.

`python leash.py <parent pid> <command> [argument …]`. It is a script of its own, and not a function between fork and
exec, because the process that starts it has threads (the WebRTC library's), and Python code after the fork of such a
process can deadlock. The kernel keeps the tie over `exec`. Where there is none (macOS) the command runs without it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become `command`, to be killed by the kernel when `parent` ends in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent ended before the tie was made, so the kernel will never say so.
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command comes from the stack's own classes


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
