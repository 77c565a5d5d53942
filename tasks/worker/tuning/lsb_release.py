"""Shadow of `lsb_release` on PATH, so that Room.connect does not spend 20 ms running it.

livekit's client sends the server the name of its operating system, and to find it runs `lsb_release` in each
`Room.connect`, which waits for it. Where that is a shell script, as in Debian, it takes 20 ms and a dozen processes. If
it prints nothing, the client reads /etc/os-release instead.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

COMMAND = "lsb_release"


def shadow(folder: Path) -> None:
    """Put a silent `lsb_release` in front of the one on the PATH of this process and its children, if there is one.

    Agents' own subprocesses see it too. `folder`: an empty one is made in it, for the command.
    """
    silent = shutil.which("true")
    if silent is None or shutil.which(COMMAND) is None:
        return
    commands = folder / "commands"
    commands.mkdir()
    (commands / COMMAND).symlink_to(silent)
    os.environ["PATH"] = os.pathsep.join([str(commands), os.environ["PATH"]])
