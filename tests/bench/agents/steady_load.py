"""An agent that joins no room and uses a fixed part of a core, `BENCH_CALL_CORES`."""

from __future__ import annotations

import asyncio
import os
import time

from livekit.agents import JobContext

CORES = float(os.environ["BENCH_CALL_CORES"])
INTERVAL_SECONDS = 0.05


async def entrypoint(_: JobContext) -> None:
    """Compute and sleep in turns, until the call is ended."""
    while True:
        ends = time.thread_time() + CORES * INTERVAL_SECONDS
        while time.thread_time() < ends:
            pass
        await asyncio.sleep((1 - CORES) * INTERVAL_SECONDS)
