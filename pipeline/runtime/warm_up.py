"""What livekit-agents does once in each process that has a call, done before the fork for all of them.

Left to the calls it is memory that each has of its own, and part of their way to the first word. It is all kept in
caches of modules and classes, holds no thread and no connection, and changes nothing: it is only done earlier.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable

from livekit.agents import llm, tokenize
from livekit.agents.utils import http_context

# Imported by functions, so only in a call.
LATE_IMPORTS = ("livekit.agents.llm.async_toolset", "livekit.agents.voice.report", "numpy.fft")

logger = logging.getLogger("switchboard.pipeline.rehearsal")


def rehearse() -> None:
    """Do it. What cannot be done is left to the calls, which do it anyway."""
    steps: tuple[Callable[[], object], ...] = (_import, _hyphenate, _cut_sentences, _trust, _keep_messages)
    for step in steps:
        try:
            step()
        except Exception:
            logger.debug("not rehearsed", exc_info=True, extra={"step": step.__name__})


def _import() -> None:
    for module in LATE_IMPORTS:
        importlib.import_module(module)


def _hyphenate() -> None:
    # Builds the tree of patterns by which the transcript keeps pace with the voice.
    tokenize.basic.hyphenate_word("rehearsal")


def _cut_sentences() -> None:
    tokenize.blingfire.SentenceTokenizer().tokenize("Good morning. How are you?")


def _trust() -> None:
    # The TLS context of the session's HTTP client, with all certificates of the host.
    http_context._create_ssl_context()  # noqa: SLF001 - it is cached by what the environment says of certificates


def _keep_messages() -> None:
    # pydantic looks at the factories of private attributes when the first object of a class is made, and to do so
    # copies the table of all modules: a reference more to each of them, on 1400 pages.
    llm.ChatContext.empty().add_message(role="user", content="")
    llm.AgentConfigUpdate()
