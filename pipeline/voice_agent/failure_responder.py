"""The voice agent's reaction to a failed provider whose fallbacks have failed, too: apologise, or end the call."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import Any

from livekit.agents import AgentSession, ErrorEvent, JobContext, SpeechCreatedEvent
from livekit.agents.voice import SpeechHandle

from pipeline.errors import PipelineError
from pipeline.failure_log import FailureLog, in_one_line
from pipeline.options import Kind, VoiceAgentOptions

GOODBYE_TIMEOUT_SECONDS = 10.0
APOLOGY_INTERVAL_SECONDS = 5.0
"""Failures within this time of the last one get no apology of their own."""


class ProviderRefused(PipelineError):
    """The provider refused the tenant's key or account ({error}). Check the `key` of the tenant's tables."""


class FailureResponder:
    """Reacts to the errors of one session.

    A session's error does not say which provider has failed, nor whether its fallbacks have failed, too. `failures`
    does.

    A reply is often generated before the caller's turn has ended, and is not spoken until then. When it has failed, the
    reaction takes its place: said at once it would be cut off by the caller's next word, or by the end of the turn.
    """

    def __init__(
        self, ctx: JobContext, session: AgentSession[None], options: VoiceAgentOptions, failures: FailureLog
    ) -> None:
        self._ctx = ctx
        self._session = session
        self._options = options
        self._failures = failures
        self._last_failure_at = float("-inf")
        self._goodbye: asyncio.Task[None] | None = None
        self._replies: set[SpeechHandle] = set()
        self._failed_replies: set[SpeechHandle] = set()
        session.on("error", self._on_error)
        session.on("speech_created", self._on_speech_created)

    def _on_error(self, event: ErrorEvent) -> None:
        if getattr(event.error, "recoverable", False) or self._goodbye is not None:
            return
        kind = _kind(event.error)
        if kind is None:
            return
        options = {"stt": self._options.stt, "llm": self._options.llm, "tts": self._options.tts}[kind]
        if self._failures.all_refused(kind, 1 + len(options.fallbacks)):
            self._failures.fatal = ProviderRefused(error=in_one_line(event.error))
            # Otherwise the next refusals would close the session before the phrase is spoken.
            self._session.conn_options.max_unrecoverable_errors = sys.maxsize
        if kind == "llm" and self._replies:
            self._failed_replies |= self._replies
        else:
            self._react(kind)

    def _react(self, kind: Kind) -> None:
        if isinstance(self._failures.fatal, ProviderRefused):
            # livekit-agents would go on for some more turns, in all of which the caller would hear nothing.
            phrase = None if kind == "tts" else self._options.refused_phrase
            self._goodbye = asyncio.create_task(self._say_goodbye(phrase))
        elif kind != "tts":
            self.apologise()

    def _on_speech_created(self, event: SpeechCreatedEvent) -> None:
        if event.source != "say":
            self._replies.add(event.speech_handle)
            event.speech_handle.add_done_callback(self._on_reply_done)

    def _on_reply_done(self, reply: SpeechHandle) -> None:
        self._replies.discard(reply)
        failed = reply in self._failed_replies
        self._failed_replies.discard(reply)
        # An interrupted one has been superseded: the caller goes on speaking, and gets another reply.
        if failed and not reply.interrupted and self._goodbye is None:
            # Raised by a session that is closing.
            with contextlib.suppress(RuntimeError):
                self._react("llm")

    def apologise(self) -> None:
        """Say the tenant's `trouble_phrase`, unless there was a failure just before."""
        now = time.monotonic()
        if self._options.trouble_phrase and now - self._last_failure_at > APOLOGY_INTERVAL_SECONDS:
            self._session.say(self._options.trouble_phrase, add_to_chat_ctx=False)
        self._last_failure_at = now

    async def _say_goodbye(self, phrase: str | None) -> None:
        try:
            if phrase:
                async with asyncio.timeout(GOODBYE_TIMEOUT_SECONDS):
                    await self._session.say(phrase, allow_interruptions=False, add_to_chat_ctx=False)
        except (TimeoutError, RuntimeError):
            # The TTS has failed as well, or the caller has hung up.
            pass
        finally:
            self._ctx.shutdown("a provider refused its key")


def _kind(error: Any) -> Kind | None:
    kinds: dict[str, Kind] = {"stt_error": "stt", "llm_error": "llm", "tts_error": "tts"}
    return kinds.get(getattr(error, "type", ""))
