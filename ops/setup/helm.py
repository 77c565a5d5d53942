"""helm, from the PATH or built once from its Go module and kept. Only `make chart` needs it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from ops.setup.go_program import GoProgram
from ops.setup.progress import Progress, StderrProgress

PROGRAM = GoProgram(
    name="helm",
    module="helm.sh/helm/v4",
    version="4.3.1",
    package="./cmd/helm",
    minimum_go=(1, 26),
    duration="four to five minutes",
)


def helm(progress: Progress | None = None) -> Path:
    """Return the path of a helm of the same major version. Raises SetupError with the cure."""
    if (found := shutil.which(PROGRAM.name)) and _major(found) == _major(PROGRAM.version):
        return Path(found)
    return PROGRAM.provide(progress or StderrProgress())


def _major(version: str) -> str:
    """Return the major version of a helm, or of the text of a version."""
    if Path(version).is_absolute():
        command = [version, "version", "--template", "{{.Version}}"]
        version = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    match = re.match(r"v?(\d+)\.", version)
    return match[1] if match else ""
