"""The agents of the campaign: what people write, each with one behaviour that people's agents have.

Nothing here knows of Switchboard. The plan of a room, a file in CAMPAIGN_FOLDER with the room's name, says when an
agent does what it does. Each agent notes what it does, in `acts`, so that the checker knows when silence is its own.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, JobContext, JobProcess, RunContext, function_tool, inference

from tests.campaign import tone

ACTS = "acts.jsonl"
FOR_EVER_SECONDS = 3600.0
QUEUE_MS = 100
LEAKED_BYTES = 60 << 20
LEAKED_FILES = 40
LEAKED_THREADS = 5
RAISING_ATTEMPTS = 2
SUMMANDS = 200_000


class Broken(Exception):
    """The agent raises, as planned."""


@dataclass(frozen=True)
class Job:
    """A job with its plan: `turn`, the turn of the caller's at which an agent acts, and `seconds` until it does."""

    ctx: JobContext
    turn: int
    seconds: float

    @classmethod
    def of(cls, ctx: JobContext) -> Job:
        file = _folder() / f"{ctx.job.room.name}.json"
        plan = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return cls(ctx, plan.get("turn", 1), plan.get("seconds", 5.0))

    @property
    def attempt(self) -> int:
        """The attempt, from the identity."""
        return int(self.ctx.local_participant_identity.rpartition("-")[2])

    def note(self, act: str, seconds: float = 0.0, call: str = "") -> None:
        """Note that this agent begins an act that takes so long."""
        entry = {
            "at": time.time(),
            "room": self.ctx.job.room.name,
            "sid": self.ctx.job.room.sid,
            "attempt": self.attempt,
            "act": act,
            "seconds": seconds,
            "call": call,
        }
        with (_folder() / ACTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


class Clerk(Agent):
    """An agent with a tool whose effect counts: it takes an order in each turn."""

    def __init__(self, job: Job, on_turn: Callable[[int], Awaitable[None]] | None = None) -> None:
        super().__init__(instructions="Take orders.")
        self._job = job
        self._on_turn = on_turn
        self._turns = 0

    @function_tool
    async def order(self, context: RunContext[None]) -> str:
        """Take an order."""
        self._turns += 1
        self._job.note("order", call=context.function_call.call_id)
        if self._on_turn is not None:
            await self._on_turn(self._turns)
        return "taken"


def prewarm(proc: JobProcess) -> None:
    proc.userdata["vad"] = inference.VAD(model="silero")


async def clerk(ctx: JobContext) -> None:
    """Take orders."""
    await _start(ctx, Clerk(Job.of(ctx)))


async def hum(ctx: JobContext) -> None:
    """Hum without a pause, so that a caller hears when there are two, or none."""
    await ctx.connect()
    source = rtc.AudioSource(tone.RATE, 1, queue_size_ms=QUEUE_MS)
    track = rtc.LocalAudioTrack.create_audio_track("hum", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await ctx.room.local_participant.publish_track(track, options)
    humming = asyncio.create_task(_hum(source))

    async def stop() -> None:
        humming.cancel()

    ctx.add_shutdown_callback(stop)


async def blocks(ctx: JobContext) -> None:
    """Block the event loop for some seconds, in a tool."""
    await _start(ctx, Clerk(job := Job.of(ctx), lambda turn: _block(job, turn, job.seconds)))


async def blocks_for_ever(ctx: JobContext) -> None:
    """Block the event loop for ever, in a tool, in the first attempt."""
    await _start(ctx, Clerk(job := Job.of(ctx), lambda turn: _block(job, turn, FOR_EVER_SECONDS)))


async def raises(ctx: JobContext) -> None:
    """Raise in the first attempts: at once, and after a while in the call."""
    job = Job.of(ctx)
    if job.attempt == 1:
        job.note("raise")
        raise Broken
    await _start(ctx, Clerk(job))
    if job.attempt <= RAISING_ATTEMPTS:
        await asyncio.sleep(job.seconds)
        job.note("raise")
        raise Broken


async def always_raises(ctx: JobContext) -> None:
    """Raise in every attempt."""
    Job.of(ctx).note("raise")
    raise Broken


async def hangs_at_the_end(ctx: JobContext) -> None:
    """Never return from a shutdown callback."""
    await _start(ctx, Clerk(job := Job.of(ctx)))

    async def wait() -> None:
        job.note("hang")
        await asyncio.Event().wait()

    ctx.add_shutdown_callback(wait)


async def shuts_down(ctx: JobContext) -> None:
    """End the call on purpose after a while. A colleague of the caller's may come then, or nobody."""
    await _start(ctx, Clerk(job := Job.of(ctx)))
    await asyncio.sleep(job.seconds)
    job.note("end")
    ctx.shutdown("handed to a person")


async def closes_session(ctx: JobContext) -> None:
    """Close the session on purpose after a while, and return."""
    session = await _start(ctx, Clerk(job := Job.of(ctx)))
    await asyncio.sleep(job.seconds)
    job.note("end")
    await session.aclose()


async def leaks(ctx: JobContext) -> None:
    """Leave behind memory, files, threads, a temporary folder and a process of another program."""
    job = Job.of(ctx)
    kept: list[Any] = [bytearray(LEAKED_BYTES), tempfile.mkdtemp(prefix="leaked-")]
    # Closed by nobody, and threads that never end: that is the point.
    kept += [Path(os.devnull).open("rb") for _ in range(LEAKED_FILES)]  # noqa: ASYNC230, SIM115
    kept += [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(LEAKED_THREADS)]
    for thread in kept[-LEAKED_THREADS:]:
        thread.start()
    command = [sys.executable, "-c", f"import time; time.sleep({FOR_EVER_SECONDS})"]
    kept.append(subprocess.Popen(command))  # noqa: ASYNC220
    ctx.proc.userdata["leaked"] = kept
    await _start(ctx, Clerk(job))


async def uses_processes(ctx: JobContext) -> None:
    """Compute in other processes, of a pool and alone, and leave the last one running."""
    job = Job.of(ctx)
    try:
        pool = ProcessPoolExecutor(1)
        alone = multiprocessing.Process(target=time.sleep, args=(FOR_EVER_SECONDS,))
        alone.start()
    except Exception as error:
        job.note(f"failed: {type(error).__name__}: {error}")
        raise
    ctx.proc.userdata["processes"] = [pool, alone]

    async def compute(_: int) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(pool, sum, range(SUMMANDS))
        except Exception as error:
            job.note(f"failed: {type(error).__name__}: {error}")
            raise

    await _start(ctx, Clerk(job, compute))


async def _start(ctx: JobContext, agent: Agent) -> AgentSession[None]:
    session: AgentSession[None] = AgentSession(
        stt=tone.AnySpeech(),
        llm=tone.Answer(),
        tts=tone.Tone(),
        vad=ctx.proc.userdata["vad"],
        turn_detection="vad",
        user_away_timeout=None,
        aec_warmup_duration=None,
    )
    # As livekit's starter does it.
    await session.start(agent=agent, room=ctx.room)
    await ctx.connect()
    session.say("welcome")
    return session


async def _block(job: Job, turn: int, seconds: float) -> None:
    if turn == job.turn and job.attempt == 1:
        job.note("block", seconds)
        time.sleep(seconds)  # noqa: ASYNC251 - this is the fault


async def _hum(source: rtc.AudioSource) -> None:
    # Whole periods, so that there is no click between frames.
    wave = tone.tone(0.1, 250)
    while True:
        await source.capture_frame(rtc.AudioFrame(wave, tone.RATE, 1, len(wave) // 2))


def _folder() -> Path:
    return Path(os.environ["CAMPAIGN_FOLDER"])
