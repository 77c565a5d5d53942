"""Switchboard's own voice agent, and the default one: a livekit-agents entrypoint like any other.

Silero VAD, streaming STT, the local end-of-turn model, a streaming LLM and streaming TTS. The session joins the room
and opens its providers at the same time. The answer is begun before the turn is surely over, and whatever is in
flight is cancelled when the caller speaks.
"""

from __future__ import annotations

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    JobContext,
    UserStateChangedEvent,
    inference,
)
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions
from livekit.agents.voice.turn import TurnDetectionMode, TurnHandlingOptions

from pipeline.agents import joins_early
from pipeline.conversation import CONVERSATION, Conversation
from pipeline.options import TurnOptions, VadOptions, VoiceAgentOptions
from pipeline.providers.fallbacks import ALONE, HEARING, WITH_FALLBACKS, Failures, llm_chain, stt_chain, tts_chain
from pipeline.providers.stt_fallback import Hearing
from pipeline.runtime.audio_output import Mouth
from pipeline.voice_agent.failure_responder import FAILURES, Trouble
from pipeline.voice_agent.inline_executor import ImmediateExecutor

VOICE = "switchboard.voice"
"""Where in `ctx.proc.userdata` the tenant's VoiceAgentOptions are."""

HEARS_HZ = 16000
"""What the VAD, the end-of-turn model and speech recognition take. Of anything else each makes its own, in Python."""


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
        # It takes 0.1 ms, 31 times a second. In a thread, as by default, each of them costs twice that.
        executor=ImmediateExecutor(),
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


@joins_early
async def entrypoint(ctx: JobContext) -> None:
    """Answer the room as the tenant's options say. Raises what the provider registry raises for what it cannot use."""
    options: VoiceAgentOptions = ctx.proc.userdata[VOICE]
    failures = ctx.proc.userdata[FAILURES] = Failures(sid=ctx.job.room.sid)
    detector = vad(options.vad)
    ears = stt_chain(options.stt, failures, detector)
    session: AgentSession[None] = AgentSession(
        stt=ears,
        llm=llm_chain(options.llm, failures),
        tts=tts_chain(options.tts, failures),
        vad=detector,
        turn_handling=turn_handling(options.turn),
        conn_options=SessionConnectOptions(
            stt_conn_options=HEARING if isinstance(ears, Hearing) else ALONE,
            llm_conn_options=WITH_FALLBACKS if options.llm.fallbacks else ALONE,
            tts_conn_options=WITH_FALLBACKS if options.tts.fallbacks else ALONE,
        ),
        # Heard from its first word on: on a telephone there is no browser whose echo canceller would have to settle.
        aec_warmup_duration=None,
        user_away_timeout=None,
        # A caller who has hung up has no last words that anybody would wait for.
        session_close_transcript_timeout=0.2,
    )
    trouble = Trouble(ctx, session, options, failures)
    if isinstance(ears, Hearing):
        ears.given_up = trouble.apologise
        _follow_speech(session, ears)
    _follow_callers(ctx, session)
    mouth = Mouth(ctx)
    ctx.add_shutdown_callback(mouth.aclose)
    session.output.audio = mouth
    await session.start(
        Receptionist(options, ctx.proc.userdata.get(CONVERSATION) or Conversation()),
        room=ctx.room,
        # The call ends by the rules of `pipeline.presence`, so that a caller may come back within the grace time.
        room_options=RoomOptions(
            close_on_disconnect=False, audio_input=AudioInputOptions(sample_rate=HEARS_HZ), audio_output=False
        ),
        # Otherwise any participant could drive the session over byte streams.
        session_host=False,
        record=False,
    )


def _follow_speech(session: AgentSession[None], ears: Hearing) -> None:
    """Tell the ears when somebody speaks, so that they notice a provider that says nothing to it."""

    def on_changed(event: UserStateChangedEvent) -> None:
        if event.new_state == "speaking":
            ears.speech_began()
        elif event.old_state == "speaking":
            ears.speech_ended()

    session.on("user_state_changed", on_changed)


def _follow_callers(ctx: JobContext, session: AgentSession[None]) -> None:
    """Listen to another caller when the one who was listened to has left."""

    def on_connected(person: rtc.RemoteParticipant) -> None:
        linked = session.room_io.linked_participant
        if linked is not None and linked.identity not in ctx.room.remote_participants:
            session.room_io.set_participant(person.identity)

    ctx.room.on("participant_connected", on_connected)
