"""The exporter of metrics."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess

OK = 200


class Exporter(ManagedProcess):
    """One `switchboard exporter`."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int, name: str = "exporter") -> None:
        super().__init__(name, directory, env)
        self.port = port
        self.url = f"http://{HOST}:{port}/metrics"

    def command(self) -> list[str]:
        """Return the same command as in production."""
        return [sys.executable, "-m", "ops.cli", "exporter", "--host", HOST, "--port", str(self.port)]

    async def is_ready(self) -> bool:
        """Return whether `/healthz` answers, which needs no Redis."""
        return await probe.http_status(HOST, self.port, "/healthz") == OK
