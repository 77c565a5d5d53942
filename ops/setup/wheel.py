"""Programs that are published inside wheels."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import resources
from pathlib import Path

from ops.setup.errors import SetupError
from ops.setup.progress import Progress
from ops.setup.run import run


def unpack(name: str, into: Path, progress: Progress, *options: str) -> Path:
    """Unpack the wheel of `name`, pinned with its hashes in `ops/setup/pinned`, to the folder `into`; return it.

    Nothing is built, nothing is installed to where Python would find it. `options` go to pip. pip is configured by
    whatever configures it elsewhere on this machine. Raises a SetupError that holds what pip said.
    """
    shutil.rmtree(into, ignore_errors=True)
    with resources.as_file(resources.files("ops.setup") / "pinned" / f"{name}.txt") as pinned:
        command = [
            *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"),
            *(
                "--only-binary",
                ":all:",
                "--require-hashes",
                "--target",
                str(into),
                *options,
                "--requirement",
                str(pinned),
            ),
        ]
        try:
            run(
                command,
                env=os.environ,
                cwd=Path.cwd(),
                on_tick=lambda: progress.tick(f"downloading the wheel of {name}"),
            )
        except SetupError as error:
            raise SetupError(f"The wheel of {name} could not be had for this machine.\n{error}") from error
    return into
