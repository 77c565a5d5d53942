"""The work that calls share, done before they are known: in the worker's main process, and in each fresh child.

The main process does what survives a fork and is then shared by its children: imports, a dlopen, model weights, and
what livekit-agents otherwise does once in each process that has a call (the `_warm_up` functions). It must not start a
thread, an event loop, an ONNX session or the FFI client, which refuses to work in another process than its own.

A child does the rest before its call: the FFI client and the agent's own prewarm.
"""

from __future__ import annotations

import gc
import importlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from livekit.agents import llm, tokenize
from livekit.agents.utils import http_context

from pipeline.errors import AgentNotFound
from pipeline.runtime import rtc_client
from pipeline.runtime.agent_hooks import load_hooks
from pipeline.runtime.job_runner import Inference, JobRunner
from pipeline.runtime.plugin_clients import share_certificates
from pipeline.runtime.speaking_rate import analyse_at_once
from pipeline.runtime.unheard_speech import outlive_interruptions

# livekit-agents imports them in functions, so only in a call.
LATE_IMPORTS = ("livekit.agents.llm.async_toolset", "livekit.agents.voice.report", "numpy.fft")

logger = logging.getLogger("switchboard.pipeline.prewarm")


@dataclass(frozen=True, slots=True)
class PrewarmReport:
    """Agents that could not be imported, threads that run beside the main one, and options without effect by agent.

    A fork copies the locks of a thread but not the thread, so a child may wait for one of them for ever.
    """

    missing: tuple[AgentNotFound, ...]
    threads: tuple[str, ...]
    without_effect: Mapping[str, tuple[str, ...]]


def prewarm_worker(agents: Iterable[str]) -> PrewarmReport:
    """Import livekit-agents with its model weights, and the agents, in the process that forks."""
    from livekit.agents.ipc import _preload  # noqa: F401, PLC0415 - importing it is the work

    outlive_interruptions()
    warm_up()
    missing: list[AgentNotFound] = []
    without_effect: dict[str, tuple[str, ...]] = {}
    for path in agents:
        try:
            without_effect[path] = load_hooks(path).without_effect
        except AgentNotFound as error:
            missing.append(error)
    gc.collect()
    gc.freeze()
    started = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
    return PrewarmReport(missing=tuple(missing), threads=tuple(started), without_effect=without_effect)


def prewarm_child(agent: str, inference: Inference | None = None) -> JobRunner:
    """Start the FFI client and run the agent's prewarm. Raises AgentNotFound, and what the prewarm raises."""
    rtc_client.start()
    runner = JobRunner(load_hooks(agent), inference)
    runner.prewarm()
    return runner


def warm_up() -> None:
    """Fill the caches of livekit-agents' modules and classes that each call would fill for itself.

    In a call that is memory of its own and a part of its way to the first word. The last two steps replace what each
    call would do in a costlier way. A step that fails is left to the calls.
    """
    steps: tuple[Callable[[], object], ...] = (
        _warm_up_imports,
        _warm_up_hyphenation,
        _warm_up_sentences,
        _warm_up_tls,
        _warm_up_messages,
        share_certificates,
        analyse_at_once,
    )
    for step in steps:
        try:
            step()
        except Exception:
            logger.debug("warm-up step failed", exc_info=True, extra={"step": step.__name__})


def _warm_up_imports() -> None:
    for module in LATE_IMPORTS:
        importlib.import_module(module)


def _warm_up_hyphenation() -> None:
    # Builds the tree of patterns by which the transcript keeps pace with the speech.
    tokenize.basic.hyphenate_word("conversation")


def _warm_up_sentences() -> None:
    tokenize.blingfire.SentenceTokenizer().tokenize("Good morning. How are you?")


def _warm_up_tls() -> None:
    # The TLS context of the session's HTTP client, with all certificates of the host. Its cache key is what the
    # environment says of certificates.
    http_context._create_ssl_context()


def _warm_up_messages() -> None:
    # When the first object of a class is made, pydantic looks at the factories of its private attributes, and to do so
    # copies the table of all modules: one more reference to each of them, on 1400 pages.
    llm.ChatContext.empty().add_message(role="user", content="")
    llm.AgentConfigUpdate()
