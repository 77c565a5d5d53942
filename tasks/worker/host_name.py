"""The question after the host's operating system, answered at once.

livekit's client tells the server on what it runs, and for that starts `lsb_release` in each `Room.connect`, which waits
for it. Where that is a shell script, as in Debian, it takes 20 ms and a dozen processes. One that says nothing makes
the client read /etc/os-release instead.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

COMMAND = "lsb_release"


class _Folder:
    path: Path | None = None


def answer_at_once() -> None:
    """Put a silent `lsb_release` in front of the one on the PATH of this process and its children, if there is one."""
    silent = shutil.which("true")
    if silent is None or shutil.which(COMMAND) is None:
        return
    _Folder.path = Path(tempfile.mkdtemp(prefix="switchboard-silent-"))
    (_Folder.path / COMMAND).symlink_to(silent)
    os.environ["PATH"] = os.pathsep.join([str(_Folder.path), os.environ["PATH"]])


def clean_up() -> None:
    """Remove it, at the end of the process."""
    if _Folder.path is not None:
        shutil.rmtree(_Folder.path, ignore_errors=True)
