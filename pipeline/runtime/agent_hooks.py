"""An agent's entrypoint and the hooks that belong to it, as its AgentServer has them.

AgentServer has no public way to read what was registered with it. Its version is pinned, and
tests/integration/pipeline/runtime/test_job_runner_contract.py fails when these names move.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from livekit.agents import AgentServer, JobContext, JobProcess, JobRequest
from livekit.agents.worker import WorkerPermissions

from pipeline.agents import Entrypoint, Prewarm, is_marked_early, load_agent
from pipeline.errors import AgentNotFound
from pipeline.runtime import server_options

SESSION_END_SECONDS = 300.0
"""The time limit of `session_end`: livekit-agents' default."""


def _no_prewarm(_: JobProcess) -> None:
    return


async def _accept(request: JobRequest) -> None:
    await request.accept()


@dataclass(frozen=True, slots=True)
class AgentHooks:
    """An entrypoint, and the functions that livekit-agents calls around it."""

    path: str
    entrypoint: Entrypoint
    prewarm: Prewarm = _no_prewarm
    request: Callable[[JobRequest], Awaitable[None]] = _accept
    session_end: Callable[[JobContext], Awaitable[None]] | None = None
    session_end_seconds: float = SESSION_END_SECONDS
    agent_name: str = ""
    permissions: WorkerPermissions = field(default_factory=WorkerPermissions)
    """What the agent may do in its room."""
    without_effect: tuple[str, ...] = ()
    """Options of its server that have no effect here: see `pipeline.runtime.server_options`."""
    memory_warn_mb: float = 0.0
    memory_limit_mb: float = 0.0

    @property
    def joins_early(self) -> bool:
        """See `pipeline.agents.joins_early`."""
        return is_marked_early(self.entrypoint)


def load_hooks(path: str) -> AgentHooks:
    """Import the agent at `module:name` and read its hooks. Raises AgentNotFound."""
    agent = load_agent(path)
    server = agent.target
    if not isinstance(server, AgentServer):
        return AgentHooks(path, entrypoint=server, prewarm=agent.prewarm or _no_prewarm)
    if server._entrypoint_fnc is None:
        raise AgentNotFound(path=path, cure="its AgentServer has no @server.rtc_session()")
    return AgentHooks(
        path,
        entrypoint=server._entrypoint_fnc,
        prewarm=server.setup_fnc or _no_prewarm,
        request=server._request_fnc or _accept,
        session_end=server._session_end_fnc,
        session_end_seconds=server._session_end_timeout,
        agent_name=server._agent_name,
        permissions=server._permissions,
        without_effect=server_options.without_effect(server),
        memory_warn_mb=server._job_memory_warn_mb,
        memory_limit_mb=server._job_memory_limit_mb,
    )
