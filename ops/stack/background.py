"""A background worker of the stack."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack.process import ManagedProcess


class BackgroundWorker(ManagedProcess):
    """One background worker. SIGTERM ends it when the tries that have begun are over."""

    stop_seconds = 20.0

    def __init__(self, directory: Path, env: Mapping[str, str], *, name: str = "background") -> None:
        # Its health check's file is among the files of the stack, and goes with them.
        super().__init__(name, directory, {**env, "TMPDIR": str(directory)})
        self.node = f"{name}@{socket.gethostname()}"

    def command(self) -> list[str]:
        """Return the command of production with a node name, and without what an earlier run has left."""
        self._alive.unlink(missing_ok=True)
        celery = [sys.executable, "-m", "celery", "-A", "tasks.background", "worker", "-Q", "background"]
        return [*celery, "-n", self.node]

    async def is_ready(self) -> bool:
        """Return whether its scheduler has begun."""
        return self._alive.exists() and bool(self._alive.read_bytes())

    @property
    def _alive(self) -> Path:
        return self.directory / f"switchboard-background-{self.node}"
