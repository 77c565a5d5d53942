"""Tenants of the demo: one for each tier, all with the local providers, each with its own greeting."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

MAX_ENDPOINTING_SECONDS = 0.8
RECORD = '["audio", "transcript", "traces", "logs"]'


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant that needs no provider keys."""

    id: str
    tier: str
    greeting: str

    def new_room(self) -> str:
        """Return a new room name that belongs to this tenant."""
        return f"call-{self.id}-{secrets.token_hex(3)}"

    def as_toml(self) -> str:
        """Return its tables of the tenants file."""
        table = f"tenants.{self.id}"
        return (
            f'[{table}]\ntier = "{self.tier}"\ngreeting = "{self.greeting}"\nrecord = {RECORD}\n'
            + "".join(f'[{table}.{kind}]\nprovider = "local"\n' for kind in ("stt", "llm", "tts"))
            # A synthetic voice sounds unfinished to the end-of-turn model, which then waits for more.
            + f"[{table}.turn]\nmax_endpointing_delay_seconds = {MAX_ENDPOINTING_SECONDS}\n"
        )


TENANTS = (
    DemoTenant("bakery", "premium", "Good morning, this is the bakery."),
    DemoTenant("florist", "standard", "Hello, you have called the flower shop."),
    DemoTenant("library", "free", "Welcome to the town library."),
)


def write(path: Path) -> None:
    """Write the tenants file."""
    path.write_text("\n".join(tenant.as_toml() for tenant in TENANTS), encoding="utf-8")
