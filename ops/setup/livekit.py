"""livekit-server, from the PATH or built once from its Go module and kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from ops.setup.go_program import GoProgram
from ops.setup.progress import Progress, StderrProgress

VERSION = "1.13.4"
PROGRAM = GoProgram(
    name="livekit-server",
    module="github.com/livekit/livekit-server",
    version=VERSION,
    package="./cmd/server",
    minimum_go=(1, 26),
    duration="two to three minutes",
)


def livekit_server(progress: Progress | None = None) -> Path:
    """Return the path of a livekit-server. The first time it may have to be built: two to three minutes on two cores.

    Raises a SetupError with the cure.
    """
    if found := shutil.which(PROGRAM.name):
        return Path(found)
    return PROGRAM.provide(progress or StderrProgress())
