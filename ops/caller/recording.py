"""Audio and when it was heard: one channel of a recording."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.int16]

AUDIBLE = 200
"""The RMS of a frame, of 32768, from which somebody would hear it: about -44 dBFS."""


def is_audible(frame: Samples) -> bool:
    """Whether somebody would hear this frame."""
    return float(np.sqrt(np.mean(np.square(frame, dtype=np.float32)))) >= AUDIBLE


class Stretch(NamedTuple):
    """A stretch of sound, in seconds since the call began."""

    begin: float
    end: float


class Channel:
    """Frames with the time at which each came, in seconds since the call began. `speaker`: whose they are."""

    def __init__(self, rate: int, speaker: str = "") -> None:
        self.rate = rate
        self.speaker = speaker
        self.first_sound: float | None = None
        self._frames: list[tuple[float, Samples]] = []

    def put(self, at: float, frame: Samples) -> None:
        """Add the next frame, which came (or will be heard) at `at`."""
        self._frames.append((at, frame))
        if self.first_sound is None and is_audible(frame):
            self.first_sound = at

    def placed(self) -> list[tuple[int, Samples]]:
        """Each frame with the index of its first sample.

        A busy event loop sees frames late and then several at once, but it never sees one early. So a frame began at
        the latest when it came, and early enough for each one after it to have come when it did: bursts are undone,
        while a true gap, after which nothing catches up, stays a gap.
        """
        placed: list[tuple[int, Samples]] = []
        latest = float("inf")
        for at, frame in reversed(self._frames):
            latest = min(at * self.rate, latest - len(frame))
            placed.append((max(0, round(latest)), frame))
        return placed[::-1]

    def render(self, seconds: float) -> Samples:
        """The channel as it was heard, from the beginning of the call, silence where nothing came."""
        track = np.zeros(round(seconds * self.rate), dtype=np.int16)
        for begin, frame in self.placed():
            part = track[begin : begin + len(frame)]
            part[:] = frame[: len(part)]
        return track

    def stretches(self, gap: float) -> list[Stretch]:
        """Where something was to be heard; silences shorter than `gap` seconds do not end a stretch."""
        loud = [
            Stretch(begin / self.rate, (begin + len(frame)) / self.rate)
            for begin, frame in self.placed()
            if is_audible(frame)
        ]
        if not loud:
            return []
        cuts = [index for index, (one, two) in enumerate(pairwise(loud), start=1) if two.begin - one.end >= gap]
        return [
            Stretch(loud[first].begin, loud[last - 1].end)
            for first, last in zip([0, *cuts], [*cuts, len(loud)], strict=True)
        ]
