"""A script that asks the kernel to kill this process when its parent ends, and then becomes the given command.

`python die_with_parent.py <parent pid> <command> [argument …]`. It is a script, and not a function between fork and
exec, because the process that starts it has threads (the WebRTC library's), and Python code after the fork of such a
process can deadlock. PR_SET_PDEATHSIG survives `exec`. On systems without it (macOS) the command runs all the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become `command`, which the kernel kills when `parent` ends in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent ended before the call of prctl, so there will be no signal.
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command comes from the stack's own classes


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
