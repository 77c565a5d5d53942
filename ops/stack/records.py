"""The records: the schema of the stack's database, and the process that writes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess, OneShot

OK = 200


class DatabaseSchema(OneShot):
    """One run of `switchboard database upgrade`."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        super().__init__("database", directory, env)

    def command(self) -> list[str]:
        """Return the same command as in production."""
        return [sys.executable, "-m", "ops.cli", "database", "upgrade"]


class RecordWriterProcess(ManagedProcess):
    """One `switchboard records`. Stopped, it writes what it has read first."""

    stop_seconds = 20.0

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int) -> None:
        super().__init__("records", directory, env)
        self.port = port

    def command(self) -> list[str]:
        """Return the same command as in production."""
        return [sys.executable, "-m", "ops.cli", "records", "--host", HOST, "--port", str(self.port)]

    async def is_ready(self) -> bool:
        """Return whether `/healthz` answers."""
        return await probe.http_status(HOST, self.port, "/healthz") == OK
