"""An agent that is never silent, so that a caller hears when it is gone and when there are two."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import numpy as np
from livekit import rtc
from livekit.agents import JobContext

RATE = 16000
FRAME = RATE // 50
QUEUE_MS = 100


async def entrypoint(ctx: JobContext) -> None:
    """Hum. When a file with the name of this job appears, block the event loop for as many seconds as it says."""
    await ctx.connect()
    source = rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)
    track = rtc.LocalAudioTrack.create_audio_track("hum", source)
    await ctx.room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    )
    block = Path(os.environ["CHAOS_FOLDER"]) / ctx.job.id
    humming = asyncio.create_task(_hum(source, block))
    ctx.add_shutdown_callback(lambda: _stop_humming(humming))


async def _hum(source: rtc.AudioSource, block: Path) -> None:
    # Whole periods of 250 Hz, so that there is no click between frames.
    wave = (4000 * np.sin(2 * np.pi * 250 * np.arange(FRAME) / RATE)).astype(np.int16).tobytes()
    while True:
        if block.exists():  # noqa: ASYNC240 - one lookup of a name
            seconds = float(block.read_text())  # noqa: ASYNC240 - once
            block.unlink()  # noqa: ASYNC240 - once
            time.sleep(seconds)  # noqa: ASYNC251 - this is the fault
        await source.capture_frame(rtc.AudioFrame(wave, RATE, 1, FRAME))


async def _stop_humming(humming: asyncio.Task[None]) -> None:
    humming.cancel()
