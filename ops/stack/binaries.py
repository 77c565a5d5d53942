"""The servers that are not part of Switchboard, found before the stack starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ops import setup


@dataclass(frozen=True, slots=True)
class Binaries:
    """Paths of the servers. Without HAProxy there is one receiver; without livekit-server one must run elsewhere."""

    redis: Path
    livekit: Path | None = None
    haproxy: Path | None = None

    @classmethod
    def find(cls, progress: setup.Progress | None = None, *, livekit: bool = True) -> Self:
        """Find the servers of this machine, and download or build missing ones, with messages to `progress`.

        Raises SetupError with the cure. Blocks, so call it before the event loop starts.
        """
        return cls(
            redis=setup.redis_server(progress),
            livekit=setup.livekit_server(progress) if livekit else None,
            haproxy=setup.haproxy(),
        )
