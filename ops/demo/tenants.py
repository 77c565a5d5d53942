"""The demo's tenants: one for each tier, all on the local providers, each with a greeting of its own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

MAX_ENDPOINTING_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant that needs no keys."""

    id: str
    tier: str
    greeting: str

    def new_room(self) -> str:
        """A name that makes a room this tenant's."""
        return f"call-{self.id}-{secrets.token_hex(3)}"

    def as_toml(self) -> str:
        """Its table of the tenants file."""
        table = f"tenants.{self.id}"
        return (
            f'[{table}]\ntier = "{self.tier}"\ngreeting = "{self.greeting}"\n'
            + "".join(f'[{table}.{kind}]\nprovider = "local"\n' for kind in ("stt", "llm", "tts"))
            # A computer asks in a tone that makes the end-of-turn model wait for more.
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
