"""The AgentSession of the voice agent: its providers, VAD, turn handling and room options."""

from __future__ import annotations

from livekit.agents import AgentSession, JobContext, UserStateChangedEvent, inference
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions
from livekit.agents.voice.turn import TurnDetectionMode, TurnHandlingOptions

from pipeline.failure_log import FailureLog
from pipeline.options import TurnOptions, VadOptions, VoiceAgentOptions
from pipeline.providers.fallbacks import (
    NO_RETRY,
    RETRY_ONCE,
    STT_RETRIES,
    llm_with_fallbacks,
    stt_with_fallbacks,
    tts_with_fallbacks,
)
from pipeline.providers.stt_fallback import FallbackSTT
from pipeline.voice_agent.failure_responder import FailureResponder
from pipeline.voice_agent.inline_executor import InlineExecutor

INPUT_SAMPLE_RATE = 16000
"""The rate that the VAD, the turn detector and the STT need. Any other rate each of them resamples, in Python."""

ROOM_OPTIONS = RoomOptions(
    # `pipeline.presence` ends the call instead, so that a caller may come back within the grace time, and
    # `pipeline.runtime.sessions` has the session listen to that one.
    close_on_disconnect=False,
    audio_input=AudioInputOptions(sample_rate=INPUT_SAMPLE_RATE),
    # EarlyAudioOutput is used instead.
    audio_output=False,
)


def build_session(ctx: JobContext, options: VoiceAgentOptions, failures: FailureLog) -> AgentSession[None]:
    """Build the session with the tenant's providers. Raises what `pipeline.providers.validate` raises."""
    vad = build_vad(options.vad)
    stt = stt_with_fallbacks(options.stt, failures, vad)
    session: AgentSession[None] = AgentSession(
        stt=stt,
        llm=llm_with_fallbacks(options.llm, failures),
        tts=tts_with_fallbacks(options.tts, failures),
        vad=vad,
        turn_handling=build_turn_handling(options.turn),
        conn_options=SessionConnectOptions(
            stt_conn_options=STT_RETRIES if isinstance(stt, FallbackSTT) else RETRY_ONCE,
            llm_conn_options=NO_RETRY if options.llm.fallbacks else RETRY_ONCE,
            tts_conn_options=NO_RETRY if options.tts.fallbacks else RETRY_ONCE,
        ),
        # The caller may interrupt from the first word on: a telephone has no browser's echo canceller to wait for.
        aec_warmup_duration=None,
        user_away_timeout=None,
        # After the caller has hung up, nothing needs the transcript of the last words.
        session_close_transcript_timeout=0.2,
    )
    responder = FailureResponder(ctx, session, options, failures)
    if isinstance(stt, FallbackSTT):
        stt.on_unrecognised = responder.apologise
        _report_speech(session, stt)
    return session


def build_vad(options: VadOptions) -> inference.VAD:
    """Build the Silero VAD, with the weights that the worker's main process has loaded."""
    return inference.VAD(
        model="silero",
        min_speech_duration=options.min_speech_seconds,
        min_silence_duration=options.min_silence_seconds,
        prefix_padding_duration=options.prefix_padding_seconds,
        activation_threshold=options.activation_threshold,
        # An inference takes 0.1 ms, 31 times a second. In a thread, as by default, each costs twice as much.
        executor=InlineExecutor(),
    )


def build_turn_handling(options: TurnOptions) -> TurnHandlingOptions:
    """Build livekit-agents' options for the end of turns and for interruptions."""
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


def _report_speech(session: AgentSession[None], stt: FallbackSTT) -> None:
    """Report to the STT when the VAD detects speech, so that it notices a provider that sends no transcript."""

    def on_changed(event: UserStateChangedEvent) -> None:
        if event.new_state == "speaking":
            stt.speech_started()
        elif event.old_state == "speaking":
            stt.speech_ended()

    session.on("user_state_changed", on_changed)
