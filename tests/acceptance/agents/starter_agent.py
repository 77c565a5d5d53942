"""The agent of livekit's starter: a session in the room of its context, and livekit-agents' defaults."""

from __future__ import annotations

from livekit.agents import Agent, AgentSession, JobContext

from pipeline.options import ProviderOptions, VadOptions
from pipeline.providers import build_llm, build_stt, build_tts
from pipeline.voice_agent.session import build_vad

LOCAL = ProviderOptions("local")


async def entrypoint(ctx: JobContext) -> None:
    """Greet the caller, and answer."""
    session: AgentSession[None] = AgentSession(
        stt=build_stt(LOCAL), llm=build_llm(LOCAL), tts=build_tts(LOCAL), vad=build_vad(VadOptions())
    )
    await session.start(agent=Agent(instructions="Be brief."), room=ctx.room)
    session.say("Hello, how can I help you?")
