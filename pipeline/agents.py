"""Agents by the path that a tenant names: `module:function` or `module:server`.

`module:function` is an `async def entrypoint(ctx: JobContext)`. A function called `prewarm` in the same module is its
prewarm, as in livekit-agents' documentation. `module:server` is an `AgentServer`, or the older `WorkerOptions`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from livekit.agents import AgentServer, JobContext, JobProcess
from livekit.agents.worker import ServerOptions

from pipeline.errors import AgentNotFound

Entrypoint = Callable[[JobContext], Awaitable[None]]
Prewarm = Callable[[JobProcess], Any]

_JOINS_EARLY = "switchboard_joins_early"


def joins_early(entrypoint: Entrypoint) -> Entrypoint:
    """Mark an entrypoint that begins with `ctx.connect()`, without options.

    Its call then joins the room while the entrypoint is still being prepared, and its `ctx.connect()` returns at once.
    The mark has no effect under livekit-agents' own worker.
    """
    setattr(entrypoint, _JOINS_EARLY, True)
    return entrypoint


def is_marked_early(entrypoint: Entrypoint) -> bool:
    """Tell whether the entrypoint is marked with `joins_early`."""
    return getattr(entrypoint, _JOINS_EARLY, False)


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """An imported agent: an AgentServer, or an entrypoint and the prewarm beside it."""

    path: str
    target: Entrypoint | AgentServer
    prewarm: Prewarm | None = None


def load_agent(path: str) -> LoadedAgent:
    """Import the agent at `module:name`. Raises AgentNotFound with what is missing."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise AgentNotFound(path=path, cure="write it as module:function or module:server")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        cure = f"importing {module_name} raised {type(error).__name__}: {error}"
        raise AgentNotFound(path=path, cure=cure) from error
    target = getattr(module, name, None)
    if isinstance(target, ServerOptions):
        target = AgentServer.from_server_options(target)
    if isinstance(target, AgentServer):
        return LoadedAgent(path, target)
    if inspect.iscoroutinefunction(target):
        return LoadedAgent(path, target, prewarm=getattr(module, "prewarm", None))
    if target is None:
        raise AgentNotFound(path=path, cure=f"module {module_name} has no {name}")
    cure = f"{name} is neither an async function nor an AgentServer, but {type(target).__name__}"
    raise AgentNotFound(path=path, cure=cure)
