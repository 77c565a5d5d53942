"""The console's uploads, as a server of their own, with a new database and object store."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess
from tests.support import databases

UPLOADS = "/observability/metrics/otlp/v0"


class UploadServer(ManagedProcess):
    """The server. `env`: an installation's, whose workers upload to this port."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int) -> None:
        super().__init__("uploads", directory, env)
        self.port = port

    @classmethod
    async def new(cls, directory: Path, env: Mapping[str, str], *, port: int) -> Self:
        """Return a server that is not started yet, with all that it needs in a folder of its own."""
        directory.mkdir()  # noqa: ASYNC240 - once, before anything runs
        database = await databases.sqlite(directory)
        own = {
            "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
            "SWITCHBOARD_RECORDINGS_URL": f"file://{directory}/recordings",
        }
        return cls(directory, {**env, **own}, port=port)

    def command(self) -> list[str]:
        uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "ops.console.uploads.app:create_app"]
        return [*uvicorn, "--host", HOST, "--port", str(self.port)]

    async def is_ready(self) -> bool:
        # It answers that it wants a token, or another method.
        return await probe.http_status(HOST, self.port, UPLOADS) > 0
