"""Switchboard's own voice agent, and the default one: a livekit-agents entrypoint like any other.

    agent              VoiceAgent: the tenant's instructions, and its first words in a call
    session            the AgentSession: providers, VAD, turn handling
    failure_responder  the agent's reaction when a provider and its fallbacks have failed
    inline_executor    an executor without a thread, for the VAD

The session uses Silero VAD, streaming STT, the local turn detector, a streaming LLM and streaming TTS. It joins the
room and connects its providers at the same time. An answer is prepared before the turn has surely ended, and is
cancelled when the caller speaks.
"""

from __future__ import annotations

from livekit.agents import JobContext

from pipeline.agents import joins_early
from pipeline.errors import AudioNotPublished
from pipeline.runtime.audio_output import EarlyAudioOutput
from pipeline.userdata import USERDATA_KEY, CallUserdata
from pipeline.voice_agent.agent import VoiceAgent
from pipeline.voice_agent.session import ROOM_OPTIONS, build_session


@joins_early
async def entrypoint(ctx: JobContext) -> None:
    """Answer the room with the tenant's options. Raises what `pipeline.providers.validate` raises."""
    userdata: CallUserdata = ctx.proc.userdata[USERDATA_KEY]
    session = build_session(ctx, userdata.voice, userdata.failures)

    def on_failed(error: Exception) -> None:
        userdata.failures.fatal = AudioNotPublished(error=f"{type(error).__name__}: {error}")
        ctx.shutdown("its audio could not be published")

    audio_output = EarlyAudioOutput(ctx, session, announced_at=userdata.announced_at, on_failed=on_failed)
    ctx.add_shutdown_callback(audio_output.aclose)
    session.output.audio = audio_output
    await session.start(
        VoiceAgent(userdata.voice, userdata.conversation, recorded=userdata.recorded),
        room=ctx.room,
        room_options=ROOM_OPTIONS,
        # With it, any participant could control the session over byte streams.
        session_host=False,
    )
