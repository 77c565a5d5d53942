"""The audio of an attempt as two curves, of the caller and of the agent.

It is decoded here and not in the browser, which would need a gigabyte for a call of an hour.
"""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Sequence

from ops.recordings.audio import Audio

WIDTH, LANE = 1000, 40
"""Columns of the picture, and the height of each lane. It is scaled to the page."""
KEPT = 32
MOST_BYTES = 256 << 20
"""A longer recording has no waveform: about six hours."""
RATE = 8000

Peaks = tuple[tuple[float, ...], ...]


class Waveforms:
    """The waveforms of recordings, a few of them kept. One is made at a time, as it takes a core."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Peaks] = OrderedDict()
        self._making = asyncio.Lock()

    async def paths(self, audio: Audio) -> list[str]:
        """Return the outline of each lane, as the `d` of an SVG path; none if there is nothing to show.

        Raises what reading the audio raises.
        """
        async with self._making:
            if audio.path not in self._kept:
                self._kept[audio.path] = await _peaks(audio)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(audio.path)
            return [outline(lane) for lane in self._kept[audio.path]]


def outline(peaks: Sequence[float]) -> str:
    """Return the outline of a lane: up over the peaks, and back below them."""
    middle = LANE / 2
    heights = [max(0.4, peak * (middle - 1)) for peak in peaks]
    above = "L".join(f"{x} {middle - height:.1f}" for x, height in enumerate(heights))
    below = "L".join(f"{x} {middle + height:.1f}" for x, height in reversed(list(enumerate(heights))))
    return f"M{above}L{below}Z"


async def _peaks(audio: Audio) -> Peaks:
    if audio.size > MOST_BYTES:
        return ()
    content = b"".join([part async for part in audio.read()])
    return await asyncio.to_thread(_decode, content)


def _decode(content: bytes) -> Peaks:
    # A quarter of the console's start, and needed for the first recording that somebody looks at.
    import av  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    blocks: list[np.ndarray] = []
    try:
        with av.open(io.BytesIO(content), "r") as container:
            resampler = av.AudioResampler(format="s16p", layout="stereo", rate=RATE)
            for frame in container.decode(audio=0):
                blocks += [resampled.to_ndarray() for resampled in resampler.resample(frame)]
    except (av.error.FFmpegError, ValueError):
        # It was cut off, or is none. What could be decoded is shown.
        pass
    if not blocks:
        return ()
    samples = np.abs(np.concatenate(blocks, axis=1).astype(np.float32)) / 32768
    edges = np.linspace(0, samples.shape[1], WIDTH + 1).astype(int)[:-1]
    peaks = np.maximum.reduceat(samples, np.minimum(edges, samples.shape[1] - 1), axis=1)
    # Quiet speech is to be seen too, and noise is not to look like speech.
    loudest = max(float(peaks.max()), 0.1)
    return tuple(tuple(float(value) for value in (lane / loudest) ** 0.7) for lane in peaks)
