"""The options of a probe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """The options of each call.

    `say`: the question, or None for none. `expect`: what the agent has to say then, one of these. `calls_url`: the
    address of `POST /calls`, whose API key is in `api_key_file`; None to create the room on the LiveKit server.
    `recording`: a WAV file for the last call.
    """

    say: str | None = None
    expect: tuple[str, ...] = ()
    first_word_seconds: float = 10.0
    answer_seconds: float = 15.0
    calls_url: str | None = None
    api_key_file: Path | None = None
    recording: Path | None = None

    def api_key(self) -> str:
        """Return the API key of `POST /calls`. Raises OSError."""
        return "" if self.api_key_file is None else self.api_key_file.read_text(encoding="utf-8").strip()
