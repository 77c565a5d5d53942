"""The console, with a new password for each run."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.console.sign_in.password import PasswordHash
from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess

OK = 200
USER = "operator"
COST = 1 << 10
"""A password that is random needs no slow hash."""


class Console(ManagedProcess):
    """The console, for the user `operator`, who has all roles."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int) -> None:
        super().__init__("console", directory, env)
        self.url = f"http://{HOST}:{port}"
        self.user = USER
        self.password = secrets.token_urlsafe(9)
        self.port = port
        self.env |= {
            "SWITCHBOARD_CONSOLE_PUBLIC_URL": self.url,
            "SWITCHBOARD_CONSOLE_OPERATORS": f"{USER}:operate+listen:{PasswordHash.of(self.password, cost=COST)}",
        }

    def command(self) -> list[str]:
        """Return the same command as in production."""
        uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "ops.console.app:create_app"]
        return [*uvicorn, "--host", HOST, "--port", str(self.port)]

    async def is_ready(self) -> bool:
        """Return whether `/healthz` answers, which needs neither Redis nor the database."""
        return await probe.http_status(HOST, self.port, "/healthz") == OK
