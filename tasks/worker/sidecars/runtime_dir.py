"""A folder of the worker's main process, for what others find by its path: sockets, a command, what a call has told.

Gone when it ends.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path


class _Folder:
    path: Path | None = None


def path() -> Path:
    """The folder, made when it is first asked for. Only the worker's own user may look into it."""
    if _Folder.path is None:
        _Folder.path = Path(tempfile.mkdtemp(prefix="switchboard-worker-"))
    return _Folder.path


def remove() -> None:
    """Remove it with all that is in it, if it was made."""
    if _Folder.path is not None:
        shutil.rmtree(_Folder.path, ignore_errors=True)
        _Folder.path = None
