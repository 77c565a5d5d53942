"""Switchboard's voice agent under the worker that livekit-agents has built in: `python front_desk.py start`.

As livekit-agents' documentation writes such a file: an AgentServer, a prewarm as its `setup_fnc`, the entrypoint. All
else is the default, but for what a measurement has to set:

    BENCH_PORT       where its health check listens
    BENCH_THRESHOLD  the load from which it takes no call; `inf`: it says that it has none, as livekit-server gives no
                     call to a worker whose load is 1, whatever the worker's threshold is
    BENCH_LOAD_FILE  a file with one number, read in the place of the CPU load
"""

from __future__ import annotations

import os
from pathlib import Path

from livekit.agents import AgentServer, JobProcess, cli

from pipeline.options import ProviderOptions, TurnOptions, VoiceAgentOptions
from pipeline.providers import preload
from pipeline.voice_agent import VOICE, entrypoint

LOCAL = ProviderOptions(name="local")
FRONT_DESK = VoiceAgentOptions(stt=LOCAL, llm=LOCAL, tts=LOCAL, turn=TurnOptions(max_endpointing_delay_seconds=0.8))


def prewarm(proc: JobProcess) -> None:
    preload(extras=())
    proc.userdata[VOICE] = FRONT_DESK


def load_in_file() -> float:
    return float(Path(os.environ["BENCH_LOAD_FILE"]).read_text("utf-8"))


def no_load() -> float:
    return 0.0


def server() -> AgentServer:
    threshold = float(os.environ["BENCH_THRESHOLD"])
    load = no_load if threshold == float("inf") else None
    made = AgentServer(
        port=int(os.environ["BENCH_PORT"]),
        load_threshold=threshold,
        load_fnc=load_in_file if "BENCH_LOAD_FILE" in os.environ else load,
    )
    made.setup_fnc = prewarm
    made.rtc_session(entrypoint)
    return made


if __name__ == "__main__":
    cli.run_app(server())
