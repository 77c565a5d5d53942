"""The built-in side: livekit-server with its own dispatch, and livekit-agents' built-in worker."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp
from livekit import api

from ops.stack import Binaries, environment
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from tests.bench.processes import Tree
from tests.bench.providers import KEY, ProviderTables, start_providers
from tests.bench.side import Conditions, Side, threshold
from tests.support.livekit_server import livekit_without_webhooks

AGENT = Path(__file__).parent / "agents" / "front_desk.py"
REGISTERED = "registered worker"


class AgentServerProcess(ManagedProcess):
    """The built-in worker: its main process, with job processes and a fork server as descendants."""

    ready_seconds = 90.0

    def __init__(self, directory: Path, env: Mapping[str, str], command: Sequence[str], *, port: int) -> None:
        super().__init__("agent-server", directory, {**env, "BENCH_PORT": str(port)})
        self.status_url = f"http://{HOST}:{port}/worker"
        self._command = list(command)

    def command(self) -> list[str]:
        return self._command

    async def is_ready(self) -> bool:
        """Return whether it has registered at livekit-server, which it does when its idle job processes run."""
        return REGISTERED in self.log.read_text("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class AgentProgram:
    """A program that is a worker of livekit-server's own dispatch. `env`: more variables of it."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


FRONT_DESK = AgentProgram("builtin", (sys.executable, str(AGENT), "start"))
"""The agent of Switchboard's side, with the command for production in livekit-agents' documentation."""


class Builtin(Side):
    """The built-in side. Dispatch is automatic, which is the default: one job for each room."""

    def __init__(
        self,
        livekit: LiveKitServer,
        server: api.LiveKitAPI,
        worker: AgentServerProcess,
        session: aiohttp.ClientSession,
        providers: ProviderTables,
        name: str,
    ) -> None:
        super().__init__(livekit, server, providers)
        self.name = name
        self.worker = worker
        self._session = session

    @classmethod
    @asynccontextmanager
    async def start(
        cls, binaries: Binaries, directory: Path, conditions: Conditions, program: AgentProgram = FRONT_DESK
    ) -> AsyncIterator[Self]:
        """Start this side. Raises StackError."""
        async with (
            start_providers(conditions.providers, directory) as providers,
            livekit_without_webhooks(binaries, directory) as livekit,
        ):
            env = {
                **environment.inherited(),
                **program.env,
                "LIVEKIT_URL": livekit.url,
                "LIVEKIT_API_KEY": livekit.api_key,
                "LIVEKIT_API_SECRET": livekit.api_secret,
                "BENCH_THRESHOLD": threshold(conditions, float("inf")),
                "BENCH_PROVIDERS": providers.for_agents(),
                "BENCH_PROVIDER_KEY": KEY,
            }
            if conditions.load:
                env["BENCH_LOAD_FILE"] = str(conditions.load)
            worker = AgentServerProcess(directory, env, program.command, port=PortPicker().pick())
            try:
                await worker.start()
                async with (
                    aiohttp.ClientSession() as session,
                    api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server,
                ):
                    yield cls(livekit, server, worker, session, providers, program.name)
            finally:
                await worker.stop()

    @property
    def tree(self) -> Tree:
        return Tree([self.worker.pid])

    async def load(self) -> float:
        return float((await self._status()).get("worker_load", 0.0))

    async def is_idle(self) -> bool:
        return not (await self._status()).get("active_jobs") and not self.call_pids()

    async def steps_ms(self, sid: str) -> dict[str, int]:
        del sid
        return {}

    async def _status(self) -> dict[str, float]:
        # The status leaves fields out that are 0.
        async with self._session.get(self.worker.status_url) as answer:
            status: dict[str, float] = await answer.json()
            return status
