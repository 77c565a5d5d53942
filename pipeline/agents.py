"""Agents as livekit-agents knows them: an entrypoint with what belongs to it, found by the name that a tenant gives.

`module:function` is an `async def entrypoint(ctx: JobContext)`; a function called `prewarm` beside it is its prewarm,
as in livekit-agents' documentation. `module:name` may also be an `AgentServer`, or the older `WorkerOptions`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from livekit.agents import AgentServer, JobContext, JobProcess, JobRequest
from livekit.agents.worker import ServerOptions

from pipeline.errors import AgentNotFound

Entrypoint = Callable[[JobContext], Awaitable[None]]

SESSION_END_SECONDS = 300.0
_JOINS_EARLY = "switchboard_joins_early"


def joins_early(entrypoint: Entrypoint) -> Entrypoint:
    """Mark an entrypoint that would join the room with `ctx.connect()` and no options, first of all.

    Its call then joins while the entrypoint is still being prepared and run; its `ctx.connect()` finds that done. Under
    livekit-agents' own worker the mark means nothing.
    """
    setattr(entrypoint, _JOINS_EARLY, True)
    return entrypoint


def _no_prewarm(_: JobProcess) -> None:
    return


async def _accept(request: JobRequest) -> None:
    await request.accept()


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """An agent and the hooks it was registered with."""

    path: str
    entrypoint: Entrypoint
    prewarm: Callable[[JobProcess], Any] = _no_prewarm
    request: Callable[[JobRequest], Awaitable[None]] = _accept
    session_end: Callable[[JobContext], Awaitable[None]] | None = None
    session_end_seconds: float = SESSION_END_SECONDS
    agent_name: str = ""

    @property
    def joins_early(self) -> bool:
        """See `joins_early`."""
        return getattr(self.entrypoint, _JOINS_EARLY, False)


def load_agent(path: str) -> LoadedAgent:
    """The agent at `module:name`. Raises AgentNotFound, which says what is missing."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise AgentNotFound(path=path, cure="write it as module:function or module:server")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        cure = f"importing {module_name} raised {type(error).__name__}: {error}"
        raise AgentNotFound(path=path, cure=cure) from error
    found = getattr(module, name, None)
    if isinstance(found, ServerOptions):
        found = AgentServer.from_server_options(found)
    if isinstance(found, AgentServer):
        return _from_server(path, found)
    if inspect.iscoroutinefunction(found):
        return LoadedAgent(path=path, entrypoint=found, prewarm=getattr(module, "prewarm", _no_prewarm))
    if found is None:
        raise AgentNotFound(path=path, cure=f"module {module_name} has no {name}")
    cure = f"{name} is neither an async function nor an AgentServer, but {type(found).__name__}"
    raise AgentNotFound(path=path, cure=cure)


def _from_server(path: str, server: AgentServer) -> LoadedAgent:
    # AgentServer has no public way to ask what was registered with it; tests/integration/pipeline holds the contract.
    entrypoint = server._entrypoint_fnc  # noqa: SLF001
    if entrypoint is None:
        raise AgentNotFound(path=path, cure="its AgentServer has no @server.rtc_session()")
    return LoadedAgent(
        path=path,
        entrypoint=entrypoint,
        prewarm=server.setup_fnc or _no_prewarm,
        request=server._request_fnc or _accept,  # noqa: SLF001
        session_end=server._session_end_fnc,  # noqa: SLF001
        session_end_seconds=server._session_end_timeout,  # noqa: SLF001
        agent_name=server._agent_name,  # noqa: SLF001
    )
