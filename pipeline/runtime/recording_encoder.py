"""livekit-agents' recorder of a call's audio, with an encoder that costs the call half the CPU.

Its own makes stereo Opus of 48 kHz at the highest complexity, and wakes its thread for each frame. Sessions hear and
speak at 24 kHz, so the upper half is empty, and the complexity is hardly heard in speech. docs/benchmarks/cpu.md has
what each change gives.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import av
from livekit.agents.voice import agent_session
from livekit.agents.voice.recorder_io import recorder_io
from livekit.agents.voice.recorder_io.recorder_io import RecorderIO

SAMPLE_RATE = 24_000
OPTIONS = {"compression_level": "0"}
"""libopus' complexity is from 0 to 10, which is its default."""


def install() -> None:
    """Have the sessions of this process record so. It may be called more than once."""
    agent: Any = agent_session
    agent.RecorderIO = _Recorder
    recorder: Any = recorder_io
    recorder.av = _Av()


class _Recorder(RecorderIO):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options, sample_rate=SAMPLE_RATE)
        self._kept: list[Any] = []

    def _put(self, item: Any) -> None:
        """Wake the thread of the encoder only when it has something to encode, and not for each frame."""
        self._kept.append(item)
        if item is None or isinstance(item, recorder_io._Flush):
            kept, self._kept = self._kept, []
            for each in kept:
                super()._put(each)


class _Av:
    """PyAV to the recorder, which gives its encoder no options."""

    def __getattr__(self, name: str) -> Any:
        return getattr(av, name)

    def open(self, *args: Any, **options: Any) -> _Container:
        return _Container(av.open(*args, **options))


class _Container:
    """A file that is written."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def __enter__(self) -> Self:
        self._container.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.__exit__(kind, error, trace)

    def add_stream(self, codec: str, **options: Any) -> Any:
        """Add a stream of audio. FFmpeg's own encoder, which is used where there is no libopus, has no complexity."""
        chosen = OPTIONS if codec == "libopus" else None
        return self._container.add_stream(codec, options=chosen, **options)
