"""`switchboard records` as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from ops.stack import environment, probe
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from tasks.settings import DatabaseSettings
from tests.unit.conventions.source_tree import ROOT

OK = 200


class RecordsProcess(ManagedProcess):
    """One writer of records. It may be killed, paused and started again."""

    ready_seconds = 60.0
    stop_seconds = 20.0

    def __init__(self, directory: Path, *, redis_url: str, database: DatabaseSettings, name: str = "records") -> None:
        env = environment.inherited(()) | {
            "REDIS_URL": redis_url,
            "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
            "PYTHONPATH": str(ROOT),
        }
        super().__init__(name, directory, env)
        self.port = PortPicker().pick()

    def command(self) -> list[str]:
        return [sys.executable, "-m", "ops.cli", "records", "--host", HOST, "--port", str(self.port)]

    async def is_ready(self) -> bool:
        return await probe.http_status(HOST, self.port, "/healthz") == OK
