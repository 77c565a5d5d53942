"""Audio with the times at which it was heard: a channel of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.int16]

AUDIBLE = 200
"""The RMS of a frame, of 32768, from which a person would hear it: about -44 dBFS."""


def is_audible(frame: Samples) -> bool:
    """Return whether a person would hear this frame."""
    return float(np.sqrt(np.mean(np.square(frame, dtype=np.float32)))) >= AUDIBLE


ONSET_SECONDS = 0.01
"""The precision with which a sound is found in a frame, however long the frame is."""


class Interval(NamedTuple):
    """An interval of sound, in seconds since the call began."""

    begin: float
    end: float


class Channel:
    """Frames, each with its time of arrival in seconds since the call began. `speaker`: the identity they are from."""

    def __init__(self, rate: int, speaker: str = "") -> None:
        self.rate = rate
        self.speaker = speaker
        self.first_sound: float | None = None
        self._frames: list[tuple[float, Samples]] = []

    def put(self, at: float, frame: Samples) -> None:
        """Add the next frame, which came (or will be heard) at `at`."""
        self._frames.append((at, frame))
        if self.first_sound is None:
            self.first_sound = next((at + first / self.rate for first, _ in self._loud_pieces(frame)), None)

    def aligned_frames(self) -> list[tuple[int, Samples]]:
        """Return each frame with the index of its first sample, without the jitter of the event loop.

        A busy event loop sees frames late and then several at once, but never early. So a frame began at the latest
        when it came, and early enough for each later frame to have come when it did. That undoes bursts, while a true
        gap, after which nothing catches up, stays a gap.
        """
        aligned: list[tuple[int, Samples]] = []
        latest = float("inf")
        for at, frame in reversed(self._frames):
            latest = min(at * self.rate, latest - len(frame))
            aligned.append((max(0, round(latest)), frame))
        return aligned[::-1]

    def onset(self, since: float) -> float:
        """Return the time of the first sound that begins after `since`, to ONSET_SECONDS; inf if there is none."""
        for begin, frame in self.aligned_frames():
            for first, _ in self._loud_pieces(frame):
                at = (begin + first) / self.rate
                if at > since:
                    return at
        return float("inf")

    def render(self, seconds: float) -> Samples:
        """Return the channel from the beginning of the call, silent where nothing came."""
        track = np.zeros(round(seconds * self.rate), dtype=np.int16)
        for begin, frame in self.aligned_frames():
            part = track[begin : begin + len(frame)]
            part[:] = frame[: len(part)]
        return track

    def audible_intervals(self, gap: float) -> list[Interval]:
        """Return the intervals with sound. A silence shorter than `gap` seconds does not end an interval."""
        loud: list[Interval] = []
        for begin, frame in self.aligned_frames():
            ends = [index for first, piece in self._loud_pieces(frame) for index in (first, first + len(piece))]
            if ends:
                loud.append(Interval((begin + ends[0]) / self.rate, (begin + ends[-1]) / self.rate))
        if not loud:
            return []
        cuts = [index for index, (one, two) in enumerate(pairwise(loud), start=1) if two.begin - one.end >= gap]
        return [
            Interval(loud[first].begin, loud[last - 1].end)
            for first, last in zip([0, *cuts], [*cuts, len(loud)], strict=True)
        ]

    def _loud_pieces(self, frame: Samples) -> Iterator[tuple[int, Samples]]:
        """Yield those pieces of ONSET_SECONDS in which there is a sound, each with the index of its first sample."""
        step = round(self.rate * ONSET_SECONDS)
        pieces = ((first, frame[first : first + step]) for first in range(0, len(frame), step))
        return (piece for piece in pieces if is_audible(piece[1]))
