"""What a call does when a provider has failed, and its fallbacks too: it says so, goes on, or ends with a reason."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from livekit.agents import AgentSession, CloseEvent, CloseReason, ErrorEvent, JobContext

from pipeline.errors import PipelineError
from pipeline.options import VoiceAgentOptions
from pipeline.providers.extra_options import Kind
from pipeline.providers.fallbacks import Failures

FAILURE = "switchboard.failure"
"""Where in `ctx.proc.userdata` an agent leaves the exception that its session closed with."""
FAILURES = "switchboard.failures"
"""Where in `ctx.proc.userdata` the voice agent keeps its providers' Failures."""

SAID_SECONDS = 10.0
"""How long the last words of a call may take."""
AGAIN_SECONDS = 5.0
"""What goes wrong once more within this time is not apologised for again."""


class SessionFailed(PipelineError):
    """The session closed because of its {error}."""

    retryable = True


class ProviderRefused(PipelineError):
    """The provider refused the tenant's key or account ({error}). Check the `key` of the tenant's tables."""


class Trouble:
    """Follows one session. `failures` knows each provider of a chain; the session sees only the chain."""

    def __init__(
        self, ctx: JobContext, session: AgentSession[None], options: VoiceAgentOptions, failures: Failures
    ) -> None:
        self._ctx = ctx
        self._session = session
        self._options = options
        self._failures = failures
        self._apologised_at = float("-inf")
        self._parting: asyncio.Task[None] | None = None
        session.on("error", self._on_error)
        session.on("close", self._on_close)

    def _on_error(self, event: ErrorEvent) -> None:
        if getattr(event.error, "recoverable", False) or self._parting is not None:
            return
        kind = _kind(event.error)
        if kind is None:
            return
        options = {"stt": self._options.stt, "llm": self._options.llm, "tts": self._options.tts}[kind]
        if self._failures.all_refused(kind, 1 + len(options.fallbacks)):
            # livekit-agents goes on for some more turns, in each of which the caller would hear nothing.
            self._ctx.proc.userdata[FAILURE] = ProviderRefused(error=_in_one_line(event.error))
            self._parting = asyncio.create_task(self._part(None if kind == "tts" else self._options.refused_phrase))
        elif kind != "tts":
            self.apologise()

    def apologise(self) -> None:
        """Say that something went wrong, unless that was said just now."""
        now = time.monotonic()
        if self._options.trouble_phrase and now - self._apologised_at > AGAIN_SECONDS:
            self._session.say(self._options.trouble_phrase, add_to_chat_ctx=False)
        self._apologised_at = now

    async def _part(self, words: str | None) -> None:
        # The session would close of the next refusals, before anything is said.
        self._session.conn_options.max_unrecoverable_errors = sys.maxsize
        try:
            if words:
                async with asyncio.timeout(SAID_SECONDS):
                    await self._session.say(words, allow_interruptions=False, add_to_chat_ctx=False)
        except (TimeoutError, RuntimeError):
            # The voice has failed as well, or the caller has hung up: there is nobody to speak, or to listen.
            pass
        finally:
            self._ctx.shutdown("a provider refused its key")

    def _on_close(self, event: CloseEvent) -> None:
        if event.reason == CloseReason.ERROR and FAILURE not in self._ctx.proc.userdata:
            self._ctx.proc.userdata[FAILURE] = SessionFailed(error=_in_one_line(event.error))
            self._ctx.shutdown("the session failed")


def _kind(error: Any) -> Kind | None:
    kinds: dict[str, Kind] = {"stt_error": "stt", "llm_error": "llm", "tts_error": "tts"}
    return kinds.get(getattr(error, "type", ""))


def _in_one_line(error: Any) -> str:
    if error is None:
        return "unknown error"
    cause = getattr(error, "error", error)
    kind = getattr(error, "type", "error").replace("_", " ")
    return " ".join(f"{kind}: {cause}".split())
