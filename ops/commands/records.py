"""`switchboard records`: the process that writes the records of calls from Redis into the database."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ops.serving import serve
from tasks import logs
from tasks.errors import SwitchboardError
from tasks.records.database import Database, schema_status, upgrade
from tasks.records.stream import RecordStream
from tasks.records.writer import RecordWriter
from tasks.redis_client import connect
from tasks.settings import DatabaseSettings, LogSettings, RedisSettings, warn_of_unknown_settings
from tasks.settings.environment import Group, read_groups
from tasks.settings.process import process_name

STANDING_SECONDS = 60.0
"""The time without a round of the writer after which `/healthz` answers 503. An outage is no reason for that."""

logger = logging.getLogger("switchboard.ops.records")

_GROUPS: dict[str, type[Group]] = {"redis": RedisSettings, "database": DatabaseSettings, "log": LogSettings}


class WriterSettings(BaseModel):
    """The settings that a writer reads. It needs no key of the LiveKit server."""

    model_config = ConfigDict(frozen=True)

    redis: RedisSettings
    database: DatabaseSettings
    log: LogSettings


def run(*, host: str, port: int) -> None:
    """Write records until a stop signal. Raises InvalidSettings; SystemExit if the port is taken."""
    settings = WriterSettings.model_validate(read_groups(_GROUPS))
    logs.set_up(settings.log.level, process="writer")
    warn_of_unknown_settings(logger)
    asyncio.run(_serve(settings, host=host, port=port))


async def _serve(settings: WriterSettings, *, host: str, port: int) -> None:
    await _create_if_missing(settings.database)
    name = f"{process_name()}:{secrets.token_hex(4)}"
    async with connect(settings.redis, undecodable="replace") as redis, Database.open(settings.database) as database:
        writer = RecordWriter(RecordStream(redis, name), database, redis=settings.redis.server)
        await serve(_create_app(writer), host=host, port=port)


async def _create_if_missing(settings: DatabaseSettings) -> None:
    """Create a file of SQLite that is missing. The schema of a server is an operator's to change."""
    try:
        if settings.is_file and not (await schema_status(settings)).found:
            await upgrade(settings)
    except SwitchboardError as error:
        logger.warning("database not created", extra={"problem": str(error)})


def _create_app(writer: RecordWriter) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        writing = asyncio.create_task(writer.run())
        # A bug ends the process, and its supervisor starts another one: without its writer it would only look alive.
        writing.add_done_callback(_end_process)
        try:
            yield
        finally:
            writing.remove_done_callback(_end_process)
            writer.stop()
            await writing

    async def healthz(_: Request) -> JSONResponse:
        standing = time.monotonic() - writer.turned_at > STANDING_SECONDS
        body = {"status": "down" if standing else "up", "database": "up" if writer.database_is_up else "down"}
        return JSONResponse(body, status_code=503 if standing else 200)

    return Starlette(routes=[Route("/healthz", healthz)], lifespan=lifespan)


def _end_process(writing: asyncio.Task[None]) -> None:
    if not writing.cancelled() and writing.exception() is not None:
        logger.critical("writer failed", exc_info=writing.exception())
    os.kill(os.getpid(), signal.SIGTERM)
