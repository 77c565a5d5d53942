"""Options of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of `switchboard demo`, with the names of the command line."""

    calls: int = 1
    keep: bool = False
    as_json: bool = False
    directory: Path | None = None
    livekit_url: str | None = None
    webhook_port: int | None = None
