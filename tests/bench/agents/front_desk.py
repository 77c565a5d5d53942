"""Switchboard's voice agent under livekit-agents' built-in worker: `python front_desk.py start`.

The file is as in livekit-agents' documentation: an AgentServer, a prewarm function as its `setup_fnc`, the entrypoint.
All else is the default, but for the settings of the benchmark:

    BENCH_PORT       port of its health check
    BENCH_THRESHOLD  load threshold. `inf`: it reports a load of 0, because livekit-server gives no call to a worker
                     with a load of 1, whatever the worker's threshold is
    BENCH_LOAD_FILE  a file with one number, read instead of the CPU load
    BENCH_PROVIDERS  the providers, as JSON: for each kind the table that a tenant has
    BENCH_PROVIDER_KEY  their key
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from livekit.agents import AgentServer, JobProcess, cli

from pipeline.options import ProviderOptions, Secret, TurnOptions, VoiceAgentOptions
from pipeline.providers import preload
from pipeline.userdata import USERDATA_KEY, CallUserdata
from pipeline.voice_agent import entrypoint

COMMON = ("model", "voice", "base_url")


def options() -> VoiceAgentOptions:
    tables = json.loads(os.environ["BENCH_PROVIDERS"])
    stt, llm, tts = (provider(tables[kind]) for kind in ("stt", "llm", "tts"))
    return VoiceAgentOptions(stt=stt, llm=llm, tts=tts, turn=TurnOptions(max_endpointing_delay_seconds=0.8))


def provider(table: dict[str, Any]) -> ProviderOptions:
    name = table.pop("provider")
    common = {field: table.pop(field) for field in COMMON if field in table}
    key = Secret(os.environ["BENCH_PROVIDER_KEY"]) if "base_url" in common else None
    return ProviderOptions(name=name, api_key=key, extra=table, **common)


def prewarm(proc: JobProcess) -> None:
    preload(extras=())
    proc.userdata[USERDATA_KEY] = CallUserdata(voice=options())


def load_in_file() -> float:
    return float(Path(os.environ["BENCH_LOAD_FILE"]).read_text("utf-8"))


def no_load() -> float:
    return 0.0


def server() -> AgentServer:
    threshold = float(os.environ["BENCH_THRESHOLD"])
    load = no_load if threshold == float("inf") else None
    agent_server = AgentServer(
        port=int(os.environ["BENCH_PORT"]),
        load_threshold=threshold,
        load_fnc=load_in_file if "BENCH_LOAD_FILE" in os.environ else load,
    )
    agent_server.setup_fnc = prewarm
    agent_server.rtc_session(entrypoint)
    return agent_server


if __name__ == "__main__":
    cli.run_app(server())
