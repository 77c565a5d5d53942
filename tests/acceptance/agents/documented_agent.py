"""An agent for livekit-agents' built-in worker, as its documentation shows it. Nothing here knows of Switchboard."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dotenv import load_dotenv
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, JobProcess, RunContext, cli, function_tool
from livekit.plugins import openai, silero

logger = logging.getLogger("documented-agent")

load_dotenv()


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You are a helpful voice AI assistant. You look up the weather when asked.")

    @function_tool
    async def lookup_weather(self, context: RunContext[None], location: str) -> str:
        """Look up the current weather.

        Args:
            location: The place to look up the weather for, a city for example.
        """
        logger.info("looking up the weather")
        return f"The weather in {location} is sunny, with a temperature of seventy degrees."


server = AgentServer()


def prewarm(proc: JobProcess) -> None:
    proc.userdata["vad"] = silero.VAD.load()


server.setup_fnc = prewarm


async def on_session_end(ctx: JobContext) -> None:
    report = ctx.make_session_report()
    note(f"session ended with {len(report.chat_history.items)} items")


def note(line: str) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{line}\n")


@server.rtc_session(on_session_end=on_session_end)
async def my_agent(ctx: JobContext) -> None:
    ctx.log_context_fields = {"call": ctx.job.id}

    session: AgentSession[None] = AgentSession(
        stt=openai.STT(),
        llm=openai.LLM(model="gpt-4.1-mini"),
        tts=openai.TTS(),
        vad=ctx.proc.userdata["vad"],
        preemptive_generation=True,
    )

    async def log_usage(reason: str) -> None:
        logger.info("usage: %s", session.usage)
        note(f"shutdown callback: {reason}")

    ctx.add_shutdown_callback(log_usage)

    await session.start(agent=Assistant(), room=ctx.room)
    await ctx.connect()
    caller = await ctx.wait_for_participant()
    note(f"talking to {caller.identity}")
    await session.generate_reply(instructions="Greet the user and offer your assistance.")


if __name__ == "__main__":
    cli.run_app(server)
