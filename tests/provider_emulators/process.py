"""The emulators of Deepgram, OpenAI and ElevenLabs in a process of their own, whose CPU is no part of the caller's."""

from __future__ import annotations

import sys
from pathlib import Path

from ops.stack import environment, probe
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess


class EmulatorProcess(ManagedProcess):
    """The process. `phrase` and `reply`: see `tests.provider_emulators.__main__`."""

    def __init__(self, directory: Path, *, phrase: str, reply: str) -> None:
        super().__init__("provider-emulators", directory, environment.inherited())
        self._ports = {name: PortPicker().pick() for name in ("deepgram", "openai", "elevenlabs")}
        self._phrase = phrase
        self._reply = reply

    @property
    def stt_url(self) -> str:
        """The `base_url` for Deepgram's plugin."""
        return f"http://{HOST}:{self._ports['deepgram']}/v1/listen"

    @property
    def llm_url(self) -> str:
        """The `base_url` for OpenAI's plugin."""
        return f"http://{HOST}:{self._ports['openai']}/v1"

    @property
    def tts_url(self) -> str:
        """The `base_url` for ElevenLabs' plugin."""
        return f"http://{HOST}:{self._ports['elevenlabs']}/v1"

    def command(self) -> list[str]:
        ports = [argument for name, port in self._ports.items() for argument in (f"--{name}", str(port))]
        words = ["--phrase", self._phrase, "--reply", self._reply]
        return [sys.executable, "-m", "tests.provider_emulators", *ports, *words]

    async def is_ready(self) -> bool:
        return await probe.http_status(HOST, self._ports["deepgram"], "/") > 0
