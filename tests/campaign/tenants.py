"""A tenant for each agent and tier, and the tenants file of the campaign."""

from __future__ import annotations

TIERS = ("premium", "standard")
MODULE = "tests.campaign.agents"
OWN = "own"
"""Switchboard's own agent, with local providers."""

# Names of functions in `agents`, but for OWN.
AGENTS = (
    "clerk",
    OWN,
    "hum",
    "blocks",
    "blocks_for_ever",
    "raises",
    "always_raises",
    "hangs_at_the_end",
    "shuts_down",
    "closes_session",
    "leaks",
    "uses_processes",
)


def tenant_of(agent: str, tier: str) -> str:
    """Return the id of the tenant with this agent in this tier."""
    return f"{agent}_{tier}"


def toml() -> str:
    """Return the tenants file."""
    lines = []
    for tier in TIERS:
        for agent in AGENTS:
            lines += [f"[tenants.{tenant_of(agent, tier)}]", f'tier = "{tier}"']
            lines += [] if agent == OWN else [f'agent = "{MODULE}:{agent}"']
    return "\n".join(lines) + "\n"
