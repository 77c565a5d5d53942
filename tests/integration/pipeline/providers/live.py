"""Audio frames for an STT, as a call brings them, and the texts of its events."""

from __future__ import annotations

from collections.abc import Iterator

from livekit import rtc
from livekit.agents import stt

from pipeline.providers.local.sphinx import SAMPLE_RATE

FRAME_MS = 20


def frames(pcm: bytes, rate: int = SAMPLE_RATE) -> Iterator[rtc.AudioFrame]:
    """Yield 16-bit mono PCM in frames of 20 ms; the last one is padded with silence."""
    samples = rate * FRAME_MS // 1000
    for first in range(0, len(pcm), 2 * samples):
        yield rtc.AudioFrame(pcm[first : first + 2 * samples].ljust(2 * samples, b"\0"), rate, 1, samples)


async def recognised(local_stt: stt.STT[None], pcm: bytes, rate: int = SAMPLE_RATE) -> list[stt.SpeechEvent]:
    """Return every event of a stream that gets all of the audio, frame by frame, and then ends."""
    async with local_stt.stream() as stream:
        for frame in frames(pcm, rate):
            stream.push_frame(frame)
        stream.end_input()
        return [event async for event in stream]


def finals(events: list[stt.SpeechEvent]) -> list[str]:
    """Return the final transcripts."""
    return texts(events, stt.SpeechEventType.FINAL_TRANSCRIPT)


def texts(events: list[stt.SpeechEvent], kind: stt.SpeechEventType) -> list[str]:
    """Return the texts of the events of one kind."""
    return [event.alternatives[0].text for event in events if event.type is kind]
