"""The uploads as an app: part of the console's, or a server of its own.

uvicorn --factory ops.console.uploads.app:create_app
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from ops.console.uploads.admission import Admission
from ops.console.uploads.endpoint import ROUTES, Uploads
from ops.console.uploads.forwarder import Forwarder
from ops.recordings.archive import Archive
from tasks import logs
from tasks.records import Database, RecordStore
from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.rooms.counters import Counters
from tasks.settings import Settings
from tasks.tenants import TenantReader

if TYPE_CHECKING:
    from redis.asyncio import Redis


@asynccontextmanager
async def open_uploads(
    settings: Settings, archive: Archive, database: Database, redis: Redis
) -> AsyncIterator[Uploads]:
    """Return what takes uploads into the archive, and delete meanwhile what its tenants do not keep any longer."""
    wanted = settings.recordings
    async with AsyncExitStack() as closing:
        forwarder = None
        if wanted.traces_url is not None:
            private = settings.traces.allow_pii
            opened = Forwarder.open(wanted.traces_url, wanted.traces_headers, private=private)
            forwarder = await closing.enter_async_context(opened)
        maintaining = asyncio.create_task(archive.maintain())
        closing.push_async_callback(_stop, maintaining)
        admission = Admission(RoomStore(redis), TenantReader(redis, settings.tiers.names), RecordStore(database))
        yield Uploads(
            admission,
            archive.store,
            secrets=settings.livekit.signing_keys,
            max_bytes=wanted.upload_max_bytes,
            counters=Counters(redis),
            forwarder=forwarder,
        )


def create_app(settings: Settings | None = None) -> Starlette:
    """Return an app that takes uploads alone. Without `settings` they are read from the environment.

    Raises InvalidSettings.
    """
    chosen = settings or Settings.read()
    if settings is None:
        logs.set_up(chosen.log.level, process="console")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with connect(chosen.redis) as redis, Database.open(chosen.database) as database:
            archive = Archive(chosen, database, redis)
            async with open_uploads(chosen, archive, database, redis) as uploads:
                app.state.uploads, app.state.archive = uploads, archive
                yield

    return Starlette(routes=ROUTES, lifespan=lifespan)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
