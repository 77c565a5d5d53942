"""The floor of a call's CPU: a bare participant that publishes a track and hears its caller, and nothing else.

`python -m tests.bench.floor URL TOKEN` is one such participant, in a process of its own as the child of a call is.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from livekit import rtc

from ops.caller.caller import Caller, caller_token
from ops.caller.recording import Samples
from ops.stack import environment
from ops.stack.livekit import LiveKitServer
from ops.stack.process import ManagedProcess
from tests.bench.processes import Tree
from tests.bench.side import Side

OUTPUT_RATE, INPUT_RATE = 24000, 16000
"""As an agent has them: of what it says, and of what it hears."""
ANSWER_SECONDS = 4.0
"""The time that a caller leaves for the answer, as in a conversation with an agent."""
HEARD = "hears the caller"


class FloorParticipant(ManagedProcess):
    """One participant. It is ready when it hears its caller."""

    def __init__(self, directory: Path, name: str, url: str, token: str) -> None:
        super().__init__(name, directory, environment.inherited())
        self._arguments = (url, token)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.bench.floor", *self._arguments]

    async def is_ready(self) -> bool:
        return HEARD in self.log.read_text("utf-8")


async def floor_cpu(server: LiveKitServer, directory: Path, count: int, seconds: float, question: Samples) -> float:
    """Return the CPU seconds of a minute of one of `count` participants, whose callers ask again and again."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
    async with AsyncExitStack() as closing:
        participants: list[FloorParticipant] = []
        for number in range(count):
            room = Side.new_room("floor")
            caller = await closing.enter_async_context(
                Caller.call(server.url, _token(server, room, "caller"), low_cpu=True)
            )
            participant = FloorParticipant(directory, f"floor-{number}", server.url, _token(server, room, "floor"))
            closing.push_async_callback(participant.stop)
            await participant.start()
            participants.append(participant)
            talking = asyncio.create_task(_talk(caller, question))
            closing.push_async_callback(_cancel, talking)
        tree = Tree(participant.pid for participant in participants)
        before, began = tree.cpu_seconds(), time.monotonic()
        await asyncio.sleep(seconds)
        return (tree.cpu_seconds() - before) / (time.monotonic() - began) / count * 60


def _token(server: LiveKitServer, room: str, identity: str) -> str:
    return caller_token(server.api_key, server.api_secret, room=room, identity=identity)


async def _talk(caller: Caller, question: Samples) -> None:
    while True:
        await caller.say(question)
        await asyncio.sleep(ANSWER_SECONDS)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def participate(url: str, token: str) -> None:
    """Publish a silent track, and take all frames of the caller's, until SIGTERM."""
    room, stopping = rtc.Room(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    hearing: list[asyncio.Task[None]] = []

    def on_track(track: rtc.Track, *_: object) -> None:
        hearing.append(asyncio.create_task(_hear(track)))

    room.on("track_subscribed", on_track)
    await room.connect(url, token)
    track = rtc.LocalAudioTrack.create_audio_track("voice", rtc.AudioSource(OUTPUT_RATE, 1))
    await room.local_participant.publish_track(track)
    await stopping.wait()
    await room.disconnect()


async def _hear(track: rtc.Track) -> None:
    heard = False
    async for _ in rtc.AudioStream(track, sample_rate=INPUT_RATE, num_channels=1, frame_size_ms=50):
        if not heard:
            print(HEARD, flush=True)
            heard = True


if __name__ == "__main__":
    uvloop.run(participate(*sys.argv[1:]))
