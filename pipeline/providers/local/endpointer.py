"""Endpointing: detection of utterances in an audio stream, by voice activity and pauses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from pocketsphinx import Vad

SAMPLE_RATE = 16000
FRAME_SECONDS = 0.02
FRAME_BYTES = int(SAMPLE_RATE * FRAME_SECONDS) * 2

_PADDING_FRAMES = 15
_WINDOW_FRAMES = 10
_MIN_VOICED_FRAMES = 5
_VAD_STRICTNESS = 2


class EndpointEvent(StrEnum):
    """A change that a frame brings."""

    SPEECH_STARTED = "speech started"
    SPEECH_RESUMED = "speech resumed"
    """Speech after at least a SHORT_PAUSE in the same utterance."""
    SHORT_PAUSE = "short pause"
    """A pause in which to start recognition, and too short to act on its result."""
    PAUSE = "pause"
    """A pause that may end a sentence."""
    SPEECH_ENDED = "speech ended"
    """A pause longer than any within a sentence, or an utterance of the maximum length."""


class Endpointer:
    """Cuts 16 kHz, 16-bit mono audio, fed in frames of 20 ms, into utterances.

    The arguments are the lengths of pauses, and of the longest utterance. After PAUSE or SPEECH_ENDED, call `reset` to
    start the next utterance; without it the same one continues.
    """

    def __init__(
        self,
        *,
        short_pause_seconds: float = 0.1,
        pause_seconds: float = 0.24,
        end_seconds: float = 0.7,
        max_seconds: float = 60.0,
    ) -> None:
        self._vad = Vad(_VAD_STRICTNESS, SAMPLE_RATE, FRAME_SECONDS)
        self._pause_events = {
            round(short_pause_seconds / FRAME_SECONDS): EndpointEvent.SHORT_PAUSE,
            round(pause_seconds / FRAME_SECONDS): EndpointEvent.PAUSE,
            round(end_seconds / FRAME_SECONDS): EndpointEvent.SPEECH_ENDED,
        }
        self._short_pause_frames = min(self._pause_events)
        self._max_frames = round(max_seconds / FRAME_SECONDS)
        self._recent: deque[tuple[bytes, bool]] = deque(maxlen=_PADDING_FRAMES)
        self._frames: list[bytes] = []
        self._silent_frames = 0

    @staticmethod
    def frames(pcm: bytes) -> Iterator[bytes]:
        """Yield the whole frames of a recording, without the incomplete one at its end."""
        for first in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
            yield pcm[first : first + FRAME_BYTES]

    @property
    def speaking(self) -> bool:
        """True from the start of an utterance until `reset`."""
        return bool(self._frames)

    @property
    def utterance(self) -> bytes:
        """The utterance so far, with a little of the silence on both sides."""
        surplus = max(0, self._silent_frames - self._short_pause_frames)
        return b"".join(self._frames[: len(self._frames) - surplus])

    @property
    def utterance_seconds(self) -> float:
        """Its length, from the frame before its first sound to the last frame fed."""
        return len(self._frames) * FRAME_SECONDS

    @property
    def silent_seconds(self) -> float:
        """Length of the silence at its end."""
        return self._silent_frames * FRAME_SECONDS

    def feed(self, frame: bytes) -> EndpointEvent | None:
        """Take FRAME_BYTES of audio. Returns the change that they bring, if any."""
        voiced = bool(self._vad.is_speech(frame))
        if not self._frames:
            return self._await_speech(frame, voiced=voiced)
        self._frames.append(frame)
        if voiced:
            resumed = self._silent_frames >= self._short_pause_frames
            self._silent_frames = 0
            if len(self._frames) >= self._max_frames:
                return EndpointEvent.SPEECH_ENDED
            return EndpointEvent.SPEECH_RESUMED if resumed else None
        self._silent_frames += 1
        return self._pause_events.get(self._silent_frames)

    def reset(self) -> None:
        """Drop the utterance and start the next one."""
        self._frames = []
        self._silent_frames = 0
        self._recent.clear()

    def _await_speech(self, frame: bytes, *, voiced: bool) -> EndpointEvent | None:
        self._recent.append((frame, voiced))
        window = list(self._recent)[-_WINDOW_FRAMES:]
        # A click is one voiced frame, which the VAD extends to four; speech is more.
        if sum(spoken for _, spoken in window) < _MIN_VOICED_FRAMES:
            return None
        self._frames = [recent for recent, _ in self._recent]
        return EndpointEvent.SPEECH_STARTED
