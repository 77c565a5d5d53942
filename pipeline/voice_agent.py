"""Switchboard's own voice agent, and the default one: a livekit-agents entrypoint like any other.

Silero VAD, streaming STT, the local end-of-turn model, a streaming LLM and streaming TTS. The session joins the room
and opens its providers at the same time. The answer is begun before the turn is surely over, and whatever is in
flight is cancelled when the caller speaks.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    APIConnectOptions,
    CloseEvent,
    CloseReason,
    ErrorEvent,
    JobContext,
    inference,
)
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.room_io import RoomOptions
from livekit.agents.voice.turn import TurnDetectionMode, TurnHandlingOptions

from pipeline.conversation import CONVERSATION, Conversation
from pipeline.errors import PipelineError
from pipeline.options import TurnOptions, VadOptions, VoiceAgentOptions
from pipeline.providers import build_llm, build_stt, build_tts

VOICE = "switchboard.voice"
"""Where in `ctx.proc.userdata` the tenant's VoiceAgentOptions are."""
FAILURE = "switchboard.failure"
"""Where in `ctx.proc.userdata` an agent leaves the exception that its session closed with."""

REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})

# livekit-agents waits up to 10 s for a provider and tries four times: longer than a caller stays on the line.
PROVIDER_TIMEOUT = APIConnectOptions(max_retry=2, retry_interval=0.5, timeout=3.0)


class SessionFailed(PipelineError):
    """The session closed because of its {error}."""

    retryable = True


class ProviderRefused(PipelineError):
    """The provider refused the tenant's key or account ({error}). Check the `key` of the tenant's tables."""


class Receptionist(Agent):
    """An agent with the tenant's instructions, which greets whoever comes first, or goes on with another's call."""

    def __init__(self, options: VoiceAgentOptions, conversation: Conversation) -> None:
        super().__init__(instructions=options.instructions, chat_ctx=conversation.history)
        self._options = options
        self._conversation = conversation

    async def on_enter(self) -> None:
        """Begin. The words wait in the session until somebody listens."""
        conversation = self._conversation
        if not conversation.resumed:
            words = self._options.greeting
        else:
            words = None if conversation.handed_over else self._options.cut_off_phrase
        if words:
            self.session.say(words, add_to_chat_ctx=not conversation.resumed)
        if conversation.resumed and conversation.unanswered:
            self.session.generate_reply()


def vad(options: VadOptions) -> inference.VAD:
    """Silero, on the weights that the worker's main process has loaded."""
    return inference.VAD(
        model="silero",
        min_speech_duration=options.min_speech_seconds,
        min_silence_duration=options.min_silence_seconds,
        prefix_padding_duration=options.prefix_padding_seconds,
        activation_threshold=options.activation_threshold,
    )


def turn_handling(options: TurnOptions) -> TurnHandlingOptions:
    """When a turn ends and what an interruption is, in livekit-agents' terms."""
    detection: TurnDetectionMode = inference.TurnDetector(version="v1-mini") if options.detection == "model" else "vad"
    return TurnHandlingOptions(
        turn_detection=detection,
        endpointing={
            "mode": "fixed",
            "min_delay": options.min_endpointing_delay_seconds,
            "max_delay": options.max_endpointing_delay_seconds,
        },
        interruption={
            "enabled": options.interruptions,
            "mode": "vad",
            "min_duration": options.min_interruption_seconds,
            "min_words": options.min_interruption_words,
            "resume_false_interruption": options.resume_false_interruption,
            "false_interruption_timeout": options.false_interruption_seconds,
        },
        preemptive_generation={"enabled": options.preemptive_generation, "preemptive_tts": options.preemptive_tts},
    )


async def entrypoint(ctx: JobContext) -> None:
    """Answer the room as the tenant's options say. Raises what the provider registry raises for what it cannot use."""
    options: VoiceAgentOptions = ctx.proc.userdata[VOICE]
    session: AgentSession[None] = AgentSession(
        stt=build_stt(options.stt),
        llm=build_llm(options.llm),
        tts=build_tts(options.tts),
        vad=vad(options.vad),
        turn_handling=turn_handling(options.turn),
        conn_options=SessionConnectOptions(PROVIDER_TIMEOUT, PROVIDER_TIMEOUT, PROVIDER_TIMEOUT),
        # Heard from its first word on: on a telephone there is no browser whose echo canceller would have to settle.
        aec_warmup_duration=None,
        user_away_timeout=None,
        # A caller who has hung up has no last words that anybody would wait for.
        session_close_transcript_timeout=0.2,
    )
    session.on("error", lambda event: _on_error(ctx, event))
    session.on("close", lambda event: _on_close(ctx, event))
    _follow_callers(ctx, session)
    await session.start(
        Receptionist(options, ctx.proc.userdata.get(CONVERSATION) or Conversation()),
        room=ctx.room,
        # The call ends by the rules of `pipeline.presence`, so that a caller may come back within the grace time.
        room_options=RoomOptions(close_on_disconnect=False),
        # Otherwise any participant could drive the session over byte streams.
        session_host=False,
        record=False,
    )


def _on_error(ctx: JobContext, event: ErrorEvent) -> None:
    cause = getattr(event.error, "error", event.error)
    # livekit-agents goes on for some more turns, in each of which the caller would hear nothing.
    if getattr(cause, "status_code", None) in REFUSED:
        ctx.proc.userdata[FAILURE] = ProviderRefused(error=_in_one_line(event.error))
        ctx.shutdown("a provider refused its key")


def _on_close(ctx: JobContext, event: CloseEvent) -> None:
    if event.reason == CloseReason.ERROR and FAILURE not in ctx.proc.userdata:
        ctx.proc.userdata[FAILURE] = SessionFailed(error=_in_one_line(event.error))
        ctx.shutdown("the session failed")


def _in_one_line(error: Any) -> str:
    if error is None:
        return "unknown error"
    cause = getattr(error, "error", error)
    kind = getattr(error, "type", "error").replace("_", " ")
    return " ".join(f"{kind}: {cause}".split())


def _follow_callers(ctx: JobContext, session: AgentSession[None]) -> None:
    """Listen to another caller when the one who was listened to has left."""

    def on_connected(person: rtc.RemoteParticipant) -> None:
        linked = session.room_io.linked_participant
        if linked is not None and linked.identity not in ctx.room.remote_participants:
            session.room_io.set_participant(person.identity)

    ctx.room.on("participant_connected", on_connected)
