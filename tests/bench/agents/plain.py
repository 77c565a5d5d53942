"""An agent as livekit-agents' documentation writes one, with the plugins and the settings of the other sides.

`python plain.py start` runs it under the built-in worker; `openrtc_pool.py` has the same `FrontDesk`. Nothing of
Switchboard is imported here. The variables are those of `front_desk.py`.
"""

from __future__ import annotations

import json
import os
from typing import Any

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, inference
from livekit.agents.voice.turn import TurnHandlingOptions
from livekit.plugins import deepgram, elevenlabs, openai

INSTRUCTIONS = "You are a friendly voice assistant on the telephone. Answer in one or two short sentences."
GREETING = "Hello, how can I help you?"
SESSION_OPTIONS: dict[str, Any] = {"aec_warmup_duration": None, "user_away_timeout": None}


def turn_handling() -> TurnHandlingOptions:
    return TurnHandlingOptions(
        turn_detection=inference.TurnDetector(version="v1-mini"),
        endpointing={"mode": "fixed", "min_delay": 0.3, "max_delay": 0.8},
        interruption={
            "enabled": True,
            "mode": "vad",
            "min_duration": 0.3,
            "min_words": 0,
            "resume_false_interruption": True,
            "false_interruption_timeout": 2.0,
        },
        preemptive_generation={"enabled": True, "preemptive_tts": False},
    )


class FrontDesk(Agent):
    def __init__(self) -> None:
        tables, key = json.loads(os.environ["BENCH_PROVIDERS"]), os.environ["BENCH_PROVIDER_KEY"]
        stt, llm, tts = tables["stt"], tables["llm"], tables["tts"]
        super().__init__(
            instructions=INSTRUCTIONS,
            stt=deepgram.STT(model=stt["model"], base_url=stt["base_url"], api_key=key),
            llm=openai.LLM(model=llm["model"], base_url=llm["base_url"], api_key=key),
            tts=elevenlabs.TTS(
                model=tts["model"],
                voice_id=tts["voice"],
                encoding=tts["encoding"],
                base_url=tts["base_url"],
                api_key=key,
            ),
            vad=inference.VAD(
                model="silero",
                min_speech_duration=0.05,
                min_silence_duration=0.25,
                prefix_padding_duration=0.5,
                activation_threshold=0.5,
            ),
            turn_handling=turn_handling(),
        )

    async def on_enter(self) -> None:
        self.session.say(GREETING)


async def entrypoint(ctx: JobContext) -> None:
    session: AgentSession[None] = AgentSession(**SESSION_OPTIONS)
    await session.start(FrontDesk(), room=ctx.room)


def no_load() -> float:
    return 0.0


def server() -> AgentServer:
    agent_server = AgentServer(port=int(os.environ["BENCH_PORT"]), load_threshold=float("inf"), load_fnc=no_load)
    agent_server.rtc_session(entrypoint)
    return agent_server


if __name__ == "__main__":
    cli.run_app(server())
