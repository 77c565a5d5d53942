"""Finds the utterances in a stream of audio: where a voice begins, and where it has been quiet for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from pocketsphinx import Vad

SAMPLE_RATE = 16000
FRAME_SECONDS = 0.02
FRAME_BYTES = int(SAMPLE_RATE * FRAME_SECONDS) * 2

_BEFORE_FRAMES = 15
_WINDOW_FRAMES = 10
_VOICED_FRAMES = 5
_STRICTNESS = 2


class Turn(StrEnum):
    """What a frame has changed."""

    STARTED = "started"
    """Somebody speaks."""
    RESUMED = "resumed"
    """Somebody speaks again after a BREATH."""
    BREATH = "breath"
    """Quiet for a moment: a good time to look at what was said, and too early to act on it."""
    QUIET = "quiet"
    """Quiet for long enough to be the end of a sentence."""
    OVER = "over"
    """Quiet for longer than anybody stops in a sentence, or spoken for longer than any phrase."""


class Endpointer:
    """Cuts 16 kHz, 16-bit mono audio, fed in frames of 20 ms, into utterances.

    Quiet times and `longest` in seconds. After QUIET or OVER call `reset` to look for the next utterance; without it,
    the same utterance goes on.
    """

    def __init__(
        self, *, breath: float = 0.1, quiet: float = 0.24, patience: float = 0.7, longest: float = 60.0
    ) -> None:
        self._vad = Vad(_STRICTNESS, SAMPLE_RATE, FRAME_SECONDS)
        self._marks = {
            round(breath / FRAME_SECONDS): Turn.BREATH,
            round(quiet / FRAME_SECONDS): Turn.QUIET,
            round(patience / FRAME_SECONDS): Turn.OVER,
        }
        self._breath_frames = min(self._marks)
        self._longest_frames = round(longest / FRAME_SECONDS)
        self._recent: deque[tuple[bytes, bool]] = deque(maxlen=_BEFORE_FRAMES)
        self._frames: list[bytes] = []
        self._silent_frames = 0

    @staticmethod
    def frames(pcm: bytes) -> Iterator[bytes]:
        """Whole frames of a recording; what is left at its end is left out."""
        for first in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
            yield pcm[first : first + FRAME_BYTES]

    @property
    def speaking(self) -> bool:
        """Whether there is an utterance, begun and not reset."""
        return bool(self._frames)

    @property
    def utterance(self) -> bytes:
        """The utterance so far, with a little of the silence on both sides."""
        # All but a breath of the silence at the end says nothing.
        surplus = max(0, self._silent_frames - self._breath_frames)
        return b"".join(self._frames[: len(self._frames) - surplus])

    @property
    def utterance_seconds(self) -> float:
        """How long it is, from the frame before its first sound to the last frame that was fed."""
        return len(self._frames) * FRAME_SECONDS

    @property
    def silent_seconds(self) -> float:
        """How long it has been quiet."""
        return self._silent_frames * FRAME_SECONDS

    def feed(self, frame: bytes) -> Turn | None:
        """Take FRAME_BYTES of audio, and say what they have changed."""
        voiced = bool(self._vad.is_speech(frame))
        if not self._frames:
            return self._wait(frame, voiced=voiced)
        self._frames.append(frame)
        if voiced:
            resumed = self._silent_frames >= self._breath_frames
            self._silent_frames = 0
            if len(self._frames) >= self._longest_frames:
                return Turn.OVER
            return Turn.RESUMED if resumed else None
        self._silent_frames += 1
        return self._marks.get(self._silent_frames)

    def reset(self) -> None:
        """Forget the utterance, and look for the next."""
        self._frames = []
        self._silent_frames = 0
        self._recent.clear()

    def _wait(self, frame: bytes, *, voiced: bool) -> Turn | None:
        self._recent.append((frame, voiced))
        window = list(self._recent)[-_WINDOW_FRAMES:]
        # A click is one voiced frame, which the VAD draws out to four; a voice is more.
        if sum(spoken for _, spoken in window) < _VOICED_FRAMES:
            return None
        self._frames = [recent for recent, _ in self._recent]
        return Turn.STARTED
