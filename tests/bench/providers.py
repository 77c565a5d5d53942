"""The providers of a run: local ones, or cloud ones, whose emulators speak their wire protocols."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.options import Kind
from tests.bench.row import Goal, at_least_factor, at_most, at_most_factor
from tests.provider_emulators.process import EmulatorProcess

TENANTS = Path(__file__).parent / "tenants.toml"
QUESTION = "What is your address?"
"""The question of all callers, which each provider has an answer to."""
REPLY = "We are at twelve Market Street, right next to the station."
KEY = "a-key-of-the-benchmark"


class Providers(StrEnum):
    """The providers of both sides. They name the goals, too, as local recognition is a third of a call's CPU."""

    LOCAL = "local"
    """Recognition, dialogue and speech on the worker's host."""
    CLOUD = "cloud"
    """Deepgram, OpenAI and ElevenLabs."""

    @property
    def names(self) -> str:
        """Their names, for the report."""
        return {"local": "local providers", "cloud": "providers (deepgram, openai and elevenlabs, emulated)"}[self]

    @property
    def carried_goal(self) -> Goal:
        """The goal of `density`."""
        return at_least_factor({"local": 1.3, "cloud": 1.4}[self])

    @property
    def memory_goal(self) -> Goal:
        """The goal of the unique memory of a live call."""
        return at_most({"local": 40, "cloud": 42}[self], "MB")

    @property
    def cpu_goal(self) -> Goal:
        """The goal of the CPU of a call minute."""
        return at_most_factor({"local": 0.9, "cloud": 0.75}[self])


@dataclass(frozen=True, slots=True)
class ProviderTables:
    """The provider of each kind, as a tenant's tables have it, and the process of the emulators if there is one."""

    tables: Mapping[Kind, Mapping[str, Any]]
    emulators: EmulatorProcess | None = None

    def for_agents(self) -> str:
        """Return the tables as JSON, for an agent that is given them in an environment variable."""
        return json.dumps(self.tables)

    def tenants_file(self, directory: Path) -> Path:
        """Write the benchmark's tenants with these providers, and return the file."""
        key = directory / "provider.key"
        key.write_text(KEY)
        lines = [TENANTS.read_text("utf-8")]
        for tenant in ("bench", "bench-recorded"):
            for kind, table in self.tables.items():
                lines.append(f"[tenants.{tenant}.{kind}]")
                lines += [f"{name} = {json.dumps(value)}" for name, value in table.items()]
                if self.emulators:
                    lines.append(f'key = "file:{key}"')
        file = directory / "tenants.toml"
        file.write_text("\n".join(lines) + "\n")
        return file


LOCAL = {"provider": "local"}
LOCAL_TABLES = ProviderTables({"stt": LOCAL, "llm": LOCAL, "tts": LOCAL})


@asynccontextmanager
async def start_providers(providers: Providers, directory: Path) -> AsyncIterator[ProviderTables]:
    """Run what one side's providers need: each side has emulators of its own. Raises StackError."""
    if providers is Providers.LOCAL:
        yield LOCAL_TABLES
        return
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
    emulators = EmulatorProcess(directory, phrase=QUESTION, reply=REPLY)
    try:
        await emulators.start()
        yield cloud_tables(emulators)
    finally:
        await emulators.stop()


def cloud_tables(emulators: EmulatorProcess) -> ProviderTables:
    """Return the tables of Deepgram, OpenAI and ElevenLabs at these addresses."""
    stt = {"provider": "deepgram", "model": "nova-3", "base_url": emulators.stt_url}
    llm = {"provider": "openai", "model": "gpt-4.1-mini", "base_url": emulators.llm_url}
    tts = {
        "provider": "elevenlabs",
        "model": "eleven_flash_v2_5",
        "voice": "a-voice",
        "encoding": "pcm_24000",
        "base_url": emulators.tts_url,
    }
    return ProviderTables({"stt": stt, "llm": llm, "tts": tts}, emulators)
