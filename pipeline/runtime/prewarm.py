"""What every call needs and no call should wait for: loaded in the worker's main process, shared by its children.

Only what survives a fork belongs there: imports, a dlopen, model weights. No thread, no event loop, no ONNX session and
no FFI client (which knows its process and refuses another). `in_child` does the rest, in the fresh child, before its
call.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.agents import load_agent
from pipeline.errors import AgentNotFound
from pipeline.providers.registry import ALL_EXTRAS
from pipeline.runtime.job_runner import JobRunner


@dataclass(frozen=True, slots=True)
class Prewarmed:
    """What an operator should know: agents that cannot be imported, and threads that an import has started.

    A fork copies a thread's locks but not the thread, so a child may hang on one.
    """

    missing: tuple[AgentNotFound, ...]
    threads: tuple[str, ...]


def in_parent(agents: Iterable[str], extras: Iterable[str] = (ALL_EXTRAS,)) -> Prewarmed:
    """Import livekit-agents with its weights, the providers' plugins, of the extras only these, and the agents."""
    before = set(threading.enumerate())
    from livekit.agents.ipc import _preload  # noqa: F401, PLC0415 - importing it is the work

    from pipeline import voice_agent  # noqa: F401, PLC0415
    from pipeline.providers import preload  # noqa: PLC0415
    from pipeline.runtime.warm_up import rehearse  # noqa: PLC0415

    preload(extras)
    rehearse()
    missing: list[AgentNotFound] = []
    for path in agents:
        try:
            load_agent(path)
        except AgentNotFound as error:
            missing.append(error)
    gc.collect()
    gc.freeze()
    started = sorted(thread.name for thread in set(threading.enumerate()) - before)
    return Prewarmed(missing=tuple(missing), threads=tuple(started))


def in_child(agent: str) -> JobRunner:
    """A runner whose agent's prewarm has run and whose FFI client is up: all that needs no knowledge of the call."""
    from pipeline.runtime import rtc_client  # noqa: PLC0415

    rtc_client.start()
    runner = JobRunner(load_agent(agent))
    runner.initialize()
    return runner
