"""What comes after the calls: a console that takes recordings, and a writer and a background worker that come late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.stack import Stack
from ops.stack.background import BackgroundWorker
from ops.stack.console import Console
from ops.stack.ports import HOST
from ops.stack.records import RecordWriterProcess
from tasks.rooms.record_lag import read_lag
from tests.support.backend import SECRET, Backend, answer, backend
from tests.support.waiting import until

GONE = 410


@dataclass(frozen=True)
class AfterCalls:
    """The processes. `writer` and `background` are started when their alerts have fired."""

    writer: RecordWriterProcess
    background: BackgroundWorker
    listening: Backend
    """The backend of the tenant acme, which takes every notice."""

    @classmethod
    @asynccontextmanager
    async def start(
        cls, stack: Stack, backends: tuple[Backend, Backend], *, console_port: int, writer_port: int
    ) -> AsyncIterator[AfterCalls]:
        """Start the console. The writer has been there once; it and the background worker come back when asked for."""
        directory, env = stack.directory, stack.receivers[0].env
        console = Console(directory, env, port=console_port)
        writer = RecordWriterProcess(directory, env, port=writer_port)
        background = BackgroundWorker(directory, env)
        async with AsyncExitStack() as running:
            for process in (console, writer, background):
                running.push_async_callback(process.stop)
            await console.start()
            # It makes the group of the stream, without which nobody could lag behind.
            await writer.start()
            async with stack.redis.client() as client:

                async def group_is_there() -> bool:
                    return await read_lag(client) is not None

                await until(group_is_there)
            await writer.stop()
            yield cls(writer, background, backends[0])


@asynccontextmanager
async def backends() -> AsyncIterator[tuple[Backend, Backend]]:
    """Return the backend of acme, and that of bolt, which wants no notices any more."""
    async with backend() as acme, backend() as bolt:
        bolt.always = answer(GONE)
        yield acme, bolt


def environment(directory: Path, console_port: int) -> Mapping[str, str]:
    """Return the variables of all processes."""
    return {
        "SWITCHBOARD_CONSOLE_URL": f"http://{HOST}:{console_port}",
        "SWITCHBOARD_DATABASE_URL": f"sqlite:///{directory / 'records.db'}",
        "SWITCHBOARD_RECORDINGS_URL": f"file://{directory / 'recordings'}",
        "SWITCHBOARD_NOTICE_NETWORKS": "127.0.0.0/8",
    }


def tables(directory: Path, acme: Backend, bolt: Backend) -> str:
    """Return the tables `notices` of the tenants."""
    (directory / "notices_secret").write_text(SECRET, encoding="utf-8")
    return "".join(
        f'\n[tenants.{tenant}.notices]\nurl = "{each.url}"\nsecrets = ["file:{directory / "notices_secret"}"]\n'
        for tenant, each in (("acme", acme), ("bolt", bolt))
    )
