"""`switchboard probe`, which calls a tenant again and again and serves metrics."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess

OK = 200


class Probe(ManagedProcess):
    """A probe of the tenant `acme`, which gives up soon. It is ready when its first call is over."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int) -> None:
        super().__init__("probe", directory, env)
        self.port = port

    def command(self) -> list[str]:
        options = ("--every", "1", "--first-word-seconds", "0.5", "--port", str(self.port))
        return [sys.executable, "-m", "ops.cli", "probe", "acme", *options]

    async def is_ready(self) -> bool:
        said = self.log.read_text(encoding="utf-8")
        over = '"message": "probe ' in said
        return over and await probe.http_status(HOST, self.port, "/metrics") == OK
