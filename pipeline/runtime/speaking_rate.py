"""livekit-agents' analysis of how fast the agent speaks, by one Fourier transform instead of 79.

Every session with a transcript in the room analyses the last second of speech ten times a second, so that the text
keeps pace. The numbers are the same. This replaces a private method of livekit-agents: its version is pinned, and
tests/unit/pipeline/runtime/test_speaking_rate.py fails when it moves.
"""

from __future__ import annotations

import functools

import numpy as np
from livekit.agents.voice.transcription._speaking_rate import SpeakingRateStream
from numpy.typing import NDArray


def analyse_at_once() -> None:
    """Replace the analysis in this process and in its children."""
    SpeakingRateStream._spectral_flux = _spectral_flux  # type: ignore[method-assign]


def _spectral_flux(
    self: SpeakingRateStream,  # noqa: ARG001 - as the method that it replaces
    audio: np.ndarray[tuple[int], np.dtype[np.float32]],
    sample_rate: int,
) -> float:
    """Return the mean change from one spectrum to the next, of frames of 25 ms that overlap by half."""
    length = int(sample_rate * 0.025)
    hop = length // 2
    if len(audio) < length + hop:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(audio, length)[::hop]
    magnitudes = np.abs(np.fft.rfft(frames * _window(length)))
    return float(np.abs(np.diff(magnitudes, axis=0)).sum(axis=1).mean())


@functools.cache
def _window(length: int) -> NDArray[np.float64]:
    window: NDArray[np.float64] = np.hanning(length)
    scaled: NDArray[np.float64] = window / np.sqrt(np.sum(window**2))
    return scaled
