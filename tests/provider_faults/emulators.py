"""The clouds of one tenant: a server for each provider it uses, and its table in the tenants file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.providers.extra_options import Kind
from tests.provider_emulators.anthropic import AnthropicServer
from tests.provider_emulators.cartesia import CartesiaServer
from tests.provider_emulators.deepgram import DeepgramServer
from tests.provider_emulators.elevenlabs import ElevenlabsServer
from tests.provider_emulators.openai import OpenAIServer
from tests.provider_emulators.server import WireServer

QUESTION = "what are your opening hours"
ANSWER = "No, we are closed on the weekend."


@dataclass(frozen=True)
class Clouds:
    """What hears, thinks and speaks, and what takes the place of each. `key`: of this tenant, in a file."""

    key: str
    key_file: Path
    deepgram: DeepgramServer
    openai: OpenAIServer
    elevenlabs: ElevenlabsServer
    flux: DeepgramServer
    anthropic: AnthropicServer
    cartesia: CartesiaServer

    def first(self, kind: Kind) -> WireServer:
        """The first choice."""
        return {"stt": self.deepgram, "llm": self.openai, "tts": self.elevenlabs}[kind]

    def tenant(
        self, name: str, tier: str, *, fallbacks: frozenset[Kind] = frozenset(), model: str = "m", voice: str = "v"
    ) -> str:
        """Its table, as TOML."""
        key = f'key = "file:{self.key_file}"'
        tables = {
            "stt": f'provider = "deepgram"\nmodel = "nova-3-{model}"\nbase_url = "{self.deepgram.url}"\n{key}',
            "llm": f'provider = "openai"\nmodel = "gpt-{model}"\nbase_url = "{self.openai.url}"\n{key}',
            "tts": (
                f'provider = "elevenlabs"\nmodel = "eleven-{model}"\nvoice = "{voice}"\n'
                f'base_url = "{self.elevenlabs.url}"\nencoding = "pcm_16000"\n{key}'
            ),
        }
        others = {
            "stt": f'provider = "deepgram-flux"\nbase_url = "{self.flux.flux_url}"\n{key}',
            "llm": f'provider = "anthropic"\nbase_url = "{self.anthropic.url}"\n{key}',
            "tts": f'provider = "cartesia"\nbase_url = "{self.cartesia.url}"\n{key}',
        }
        lines = [f'[tenants.{name}]\ntier = "{tier}"']
        for kind, table in tables.items():
            lines.append(f"[tenants.{name}.{kind}]\n{table}")
            if kind in fallbacks:
                lines.append(f"[[tenants.{name}.{kind}.fallbacks]]\n{others[kind]}")
        return "\n".join(lines) + "\n"


@asynccontextmanager
async def clouds(directory: Path, name: str, answer: str = ANSWER) -> AsyncIterator[Clouds]:
    """All of them, running."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before the call
    key = f"a-key-of-{name}"
    key_file = directory / f"{name}.key"
    key_file.write_text(key)
    there = Clouds(
        key,
        key_file,
        DeepgramServer(phrases=[QUESTION]),
        OpenAIServer(reply=answer),
        ElevenlabsServer(),
        DeepgramServer(phrases=[QUESTION]),
        AnthropicServer(reply=answer),
        CartesiaServer(),
    )
    async with AsyncExitStack() as serving:
        for server in (there.deepgram, there.openai, there.elevenlabs, there.flux, there.anthropic, there.cartesia):
            await serving.enter_async_context(server.serve())
        yield there
