"""Flower, with a new password for each run."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess

OK = 200
USER = "operator"


class Flower(ManagedProcess):
    """The Flower dashboard, for the user `operator`."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int) -> None:
        super().__init__("flower", directory, env)
        self.url = f"http://{HOST}:{port}"
        self.user = USER
        self.password = secrets.token_urlsafe(9)
        self._port = port
        self.env |= {
            "SWITCHBOARD_FLOWER_USER": self.user,
            "SWITCHBOARD_FLOWER_PASSWORD": self.password,
            "SWITCHBOARD_FLOWER_COOKIE_SECRET": secrets.token_urlsafe(32),
            "FLOWER_ADDRESS": HOST,
            "FLOWER_PORT": str(port),
        }

    def command(self) -> list[str]:
        """Return the same command as in production."""
        return [sys.executable, "-m", "celery", "-A", "tasks", "flower"]

    async def is_ready(self) -> bool:
        """Return whether its health check answers."""
        login = f"{self.user}:{self.password}"
        return await probe.http_status(HOST, self._port, "/healthcheck", login=login) == OK
