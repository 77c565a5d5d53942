"""Switchboard's side: livekit-server with webhooks, receivers, Redis, and one worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from livekit import api

from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import PortPicker
from tasks.rooms import RoomStore, WorkerStatus
from tests.bench.processes import Tree
from tests.bench.providers import ProviderTables, start_providers
from tests.bench.side import Conditions, Side, threshold

WORKER = "bench"


class Ours(Side):
    """An installation of Switchboard on one host."""

    name = "ours"

    def __init__(
        self, stack: Stack, rooms: RoomStore, server: api.LiveKitAPI, console_port: int, providers: ProviderTables
    ) -> None:
        assert isinstance(stack.livekit, LiveKitServer)
        super().__init__(stack.livekit, server, providers)
        self.stack = stack
        self.rooms = rooms
        self.console_port = console_port

    @classmethod
    @asynccontextmanager
    async def start(cls, binaries: Binaries, directory: Path, conditions: Conditions) -> AsyncIterator[Self]:
        """Start this side. Raises StackError."""
        console_port = PortPicker().pick()
        env = {
            "SWITCHBOARD_LOAD_THRESHOLD": threshold(conditions, 1.0),
            # Of the tenant whose calls are recorded.
            "SWITCHBOARD_CONSOLE_URL": f"http://127.0.0.1:{console_port}",
        }
        if conditions.load:
            env["SWITCHBOARD_LOAD_FILE"] = str(conditions.load)
        if conditions.load or not conditions.shedding:
            env["SWITCHBOARD_CALL_CORES"] = "0"
        directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
        async with start_providers(conditions.providers, directory) as providers:
            options = StackOptions(
                directory=directory,
                binaries=binaries,
                workers=(WorkerSpec(WORKER, ("premium",), slots=None),),
                tenants=providers.tenants_file(directory),
                env=env,
            )
            async with (
                Stack.start(options) as stack,
                stack.redis.client() as client,
                api.LiveKitAPI(stack.livekit.url, stack.livekit.api_key, stack.livekit.api_secret) as server,
            ):
                yield cls(stack, RoomStore(client), server, console_port, providers)

    @property
    def tree(self) -> Tree:
        return Tree([self.stack.workers[WORKER].pid])

    @property
    def support(self) -> Tree:
        parts = [*self.stack.receivers, self.stack.redis, *filter(None, [self.stack.balancer])]
        return Tree(part.pid for part in parts)

    async def load(self) -> float:
        status = await self._status()
        return status.load + status.reserved

    async def is_idle(self) -> bool:
        status = await self._status()
        return not await self.rooms.opened_ms() and status.idle > 0 and not status.busy

    async def steps_ms(self, sid: str) -> dict[str, int]:
        room = await self.rooms.get(sid)
        return {} if room is None else room.steps_ms

    async def _status(self) -> WorkerStatus:
        node = self.stack.workers[WORKER].node
        return next(status for status in await self.rooms.list_workers() if status.node == node)
