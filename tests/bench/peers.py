"""Peers: other ways to run the same agent, which have no part in the other figures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ops.setup import Progress
from tests.bench.builtin import AgentProgram
from tests.bench.openrtc_venv import openrtc_python

AGENTS = Path(__file__).parent / "agents"
NO_REMOTE_DETECTOR = {"LIVEKIT_REMOTE_EOT_URL": "http://127.0.0.1:9"}
"""OpenRTC loads its own turn detector even if another one is set, and would have to download it first. An address has
it do without; nothing is ever asked there."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer. `title`: as the table shows it. `shared_process`: whether all calls run in the worker's main process."""

    title: str
    program: AgentProgram
    shared_process: bool = False


def find_peers(progress: Progress) -> list[Peer]:
    """Return all peers; OpenRTC is installed first if it is missing. Raises SetupError. Blocks."""
    pool = (str(openrtc_python(progress)), str(AGENTS / "openrtc_pool.py"), "start")
    plain = AgentProgram("plain", (sys.executable, str(AGENTS / "plain.py"), "start"))
    coroutine, process = (
        AgentProgram(f"openrtc-{isolation}", pool, {"BENCH_ISOLATION": isolation, **NO_REMOTE_DETECTOR})
        for isolation in ("coroutine", "process")
    )
    return [
        Peer("built-in, an agent as documented", plain),
        Peer("OpenRTC, coroutine", coroutine, shared_process=True),
        Peer("OpenRTC, process", process),
    ]
