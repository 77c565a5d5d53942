"""A webhook receiver: uvicorn with `webhooks.app`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess

OK = 200


class Receiver(ManagedProcess):
    """One of the receivers behind the load balancer."""

    def __init__(self, name: str, directory: Path, env: Mapping[str, str], *, port: int) -> None:
        super().__init__(name, directory, env)
        self.port = port

    def command(self) -> list[str]:
        """Return the same command as in production."""
        uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "webhooks.app:create_app"]
        return [*uvicorn, "--host", HOST, "--port", str(self.port)]

    async def is_ready(self) -> bool:
        """Return whether `/readyz` answers 200, which needs Redis."""
        return await probe.http_status(HOST, self.port, "/readyz") == OK
