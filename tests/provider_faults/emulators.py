"""The provider emulators of one tenant, and its table in the tenants file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.options import Kind
from tests.provider_emulators.anthropic import AnthropicEmulator
from tests.provider_emulators.cartesia import CartesiaEmulator
from tests.provider_emulators.deepgram import DeepgramEmulator
from tests.provider_emulators.elevenlabs import ElevenlabsEmulator
from tests.provider_emulators.openai import OpenAIEmulator
from tests.provider_emulators.server import ProviderEmulator

QUESTION = "what are your opening hours"
ANSWER = "No, we are closed on the weekend."


@dataclass(frozen=True)
class TenantProviders:
    """An emulator for each of the tenant's providers and for each fallback. `key`: the tenant's, also in `key_file`."""

    key: str
    key_file: Path
    deepgram: DeepgramEmulator
    openai: OpenAIEmulator
    elevenlabs: ElevenlabsEmulator
    flux: DeepgramEmulator
    anthropic: AnthropicEmulator
    cartesia: CartesiaEmulator

    def primary(self, kind: Kind) -> ProviderEmulator:
        """Return the emulator of the provider that is not a fallback."""
        return {"stt": self.deepgram, "llm": self.openai, "tts": self.elevenlabs}[kind]

    def table(
        self,
        name: str,
        tier: str,
        *,
        fallbacks: frozenset[Kind] = frozenset(),
        model: str = "m",
        voice: str = "v",
        endpointing_seconds: float | None = None,
    ) -> str:
        """Return the tenant's table, as TOML."""
        key = f'key = "file:{self.key_file}"'
        tables = {
            "stt": f'provider = "deepgram"\nmodel = "nova-3-{model}"\nbase_url = "{self.deepgram.url}"\n{key}',
            "llm": f'provider = "openai"\nmodel = "gpt-{model}"\nbase_url = "{self.openai.url}"\n{key}',
            "tts": (
                f'provider = "elevenlabs"\nmodel = "eleven-{model}"\nvoice = "{voice}"\n'
                f'base_url = "{self.elevenlabs.url}"\nencoding = "pcm_16000"\n{key}'
            ),
        }
        fallback_tables = {
            "stt": f'provider = "deepgram-flux"\nbase_url = "{self.flux.flux_url}"\n{key}',
            "llm": f'provider = "anthropic"\nbase_url = "{self.anthropic.url}"\n{key}',
            "tts": f'provider = "cartesia"\nbase_url = "{self.cartesia.url}"\n{key}',
        }
        lines = [f'[tenants.{name}]\ntier = "{tier}"']
        for kind, table in tables.items():
            lines.append(f"[tenants.{name}.{kind}]\n{table}")
            if kind in fallbacks:
                lines.append(f"[[tenants.{name}.{kind}.fallbacks]]\n{fallback_tables[kind]}")
        if endpointing_seconds is not None:
            lines.append(f"[tenants.{name}.turn]\nmin_endpointing_delay_seconds = {endpointing_seconds}")
        return "\n".join(lines) + "\n"


@asynccontextmanager
async def tenant_providers(directory: Path, name: str, answer: str = ANSWER) -> AsyncIterator[TenantProviders]:
    """Run the emulators of one tenant."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before the call
    key = f"a-key-of-{name}"
    key_file = directory / f"{name}.key"
    key_file.write_text(key)
    providers = TenantProviders(
        key,
        key_file,
        DeepgramEmulator(phrases=[QUESTION]),
        OpenAIEmulator(reply=answer),
        ElevenlabsEmulator(),
        DeepgramEmulator(phrases=[QUESTION]),
        AnthropicEmulator(reply=answer),
        CartesiaEmulator(),
    )
    async with AsyncExitStack() as serving:
        for emulator in (
            providers.deepgram,
            providers.openai,
            providers.elevenlabs,
            providers.flux,
            providers.anthropic,
            providers.cartesia,
        ):
            await serving.enter_async_context(emulator.serve())
        yield providers
