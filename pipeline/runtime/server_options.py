"""The options of an AgentServer that have no effect here, because something else decides: named, not obeyed in silence.

livekit-agents' worker has a pool of processes, a load, a drain and an HTTP server of its own; here Switchboard's has.
`tests/integration/pipeline/runtime/test_server_options.py` fails when livekit-agents gets an option that is in neither
table.
"""

from __future__ import annotations

from collections.abc import Mapping

from livekit.agents import AgentServer, JobContext
from livekit.agents.worker import ServerOptions, ServerType

OBEYED = frozenset(
    {"setup_fnc", "session_end_timeout", "permissions", "job_memory_warn_mb", "job_memory_limit_mb"},
)
WITHOUT_EFFECT: Mapping[str, str] = {
    "job_executor_type": "each call has a process of its own",
    "load_fnc": "SWITCHBOARD_LOAD_FILE",
    "load_threshold": "SWITCHBOARD_LOAD_THRESHOLD",
    "drain_timeout": "SWITCHBOARD_DRAIN_SECONDS",
    "num_idle_processes": "SWITCHBOARD_SPARES",
    "shutdown_process_timeout": "it is the same for all agents",
    "initialize_process_timeout": "SWITCHBOARD_PREWARM_SECONDS",
    "max_retry": "the worker waits for Redis, not for the LiveKit server",
    "ws_url": "LIVEKIT_URL",
    "api_key": "LIVEKIT_API_KEY",
    "api_secret": "LIVEKIT_API_SECRET",
    "host": "a worker has no HTTP server",
    "port": "a worker has no HTTP server",
    "http_proxy": "HTTPS_PROXY",
    "multiprocessing_context": "children are forked",
    "preload_modules": "the agent's module imports what its calls share",
    "prometheus_port": "receivers have the metrics",
    "prometheus_multiproc_dir": "receivers have the metrics",
    "log_level": "SWITCHBOARD_LOG_LEVEL",
}
"""Option -> what decides in its place: a setting, or a reason."""

_ATTRIBUTES = {"multiprocessing_context": "_mp_ctx_str"}


async def _no_entrypoint(_: JobContext) -> None:
    return


def without_effect(server: AgentServer) -> tuple[str, ...]:
    """Return the options that were set to something else than their default, each with what decides in its place."""
    # An option of the older WorkerOptions may have another default than the same one of AgentServer.
    defaults = (AgentServer(), AgentServer.from_server_options(ServerOptions(entrypoint_fnc=_no_entrypoint)))
    found = []
    for option, instead in WITHOUT_EFFECT.items():
        attribute = _ATTRIBUTES.get(option, f"_{option}")
        if all(getattr(server, attribute) != getattr(default, attribute) for default in defaults):
            found.append(f"{option} ({instead})")
    if server._server_type is not ServerType.ROOM:
        found.append("type (each room has one agent)")
    return tuple(found)
