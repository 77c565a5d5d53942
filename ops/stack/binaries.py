"""The servers that are not ours, found before the stack starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ops import setup


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where they are. Without HAProxy there is one receiver; without livekit-server one must run elsewhere."""

    redis: Path
    livekit: Path | None = None
    haproxy: Path | None = None

    @classmethod
    def find(cls, progress: setup.Progress | None = None, *, livekit: bool = True) -> Self:
        """Those of this machine. The first time some may have to be downloaded or built; `progress` is told of it.

        Raises a SetupError with the cure. Blocks, so it is called before there is an event loop.
        """
        return cls(
            redis=setup.redis_server(progress),
            livekit=setup.livekit_server(progress) if livekit else None,
            haproxy=setup.haproxy(),
        )
