"""A server of a process that operators run beside the receivers, such as the exporter."""

from __future__ import annotations

import uvicorn
from starlette.applications import Starlette

STOP_SECONDS = 5


async def serve(app: Starlette, *, host: str, port: int) -> None:
    """Serve the app until a stop signal. Its logs are this process's. Raises SystemExit if the port is taken."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    await uvicorn.Server(config).serve()
