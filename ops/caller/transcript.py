"""The transcript of a call, read from the agent's transcription streams in the room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from livekit import rtc

from ops.caller.milestones import Clock

TOPIC = "lk.transcription"
FINAL = "lk.transcription_final"


class Speaker(StrEnum):
    """The side that spoke."""

    CALLER = "caller"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Line:
    """One turn: of the caller as the agent recognised it, of the agent as it spoke it, cut where it was interrupted."""

    seconds: float
    speaker: Speaker
    text: str


class Transcript:
    """The final lines of both sides, in the order in which they came."""

    def __init__(self, clock: Clock, on_line: Callable[[Line], None]) -> None:
        self.lines: list[Line] = []
        self._clock = clock
        self._on_line = on_line
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, room: rtc.Room) -> None:
        """Read the room's transcription streams. The sender of a stream is the participant that is transcribed."""

        def opened(reader: rtc.TextStreamReader, identity: str) -> None:
            speaker = Speaker.CALLER if identity == room.local_participant.identity else Speaker.AGENT
            task = asyncio.create_task(self._read(reader, speaker), name="transcript")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        room.register_text_stream_handler(TOPIC, opened)

    def texts(self, speaker: Speaker) -> list[str]:
        """Return the lines of one side."""
        return [line.text for line in self.lines if line.speaker is speaker]

    async def aclose(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _read(self, reader: rtc.TextStreamReader, speaker: Speaker) -> None:
        began = self._clock.now()
        try:
            text = (await reader.read_all()).strip()
        except rtc.StreamError:
            # The room was closed in the middle of a line.
            return
        finally:
            await reader.aclose()
        # Before its final stream a turn of the caller comes as interim streams, each with the whole text so far.
        if text and (reader.info.attributes or {}).get(FINAL) == "true":
            line = Line(began, speaker, text)
            self.lines.append(line)
            self._on_line(line)
