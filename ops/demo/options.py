"""What can be asked of the demo on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of `switchboard demo`, named as there."""

    calls: int = 1
    keep: bool = False
    as_json: bool = False
    directory: Path | None = None
    livekit_url: str | None = None
    webhook_port: int | None = None
