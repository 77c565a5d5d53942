"""What can be known about a provider's options without its key and without a connection."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import PROVIDERS, check
from pipeline.providers.registry import Provider

EVERY = [pytest.param(provider, id=f"{provider.kind}-{provider.name}") for provider in PROVIDERS]


def least(provider: Provider) -> ProviderOptions:
    """What this provider has to be told, and no more."""
    return ProviderOptions(provider.name, api_key=None if provider.key == "never" else Secret("env:A_REFERENCE"))


@pytest.mark.parametrize("provider", EVERY)
def test_a_reference_will_do_for_a_key(provider: Provider) -> None:
    check(provider.kind, least(provider))


EVERYTHING = """
import sys
from pipeline.options import ProviderOptions, Secret
from pipeline.providers import PROVIDERS, check
for provider in PROVIDERS:
    key = None if provider.key == "never" else Secret("env:A_REFERENCE")
    check(provider.kind, ProviderOptions(provider.name, api_key=key))
heavy = ("livekit.agents", "livekit.plugins.", "livekit.rtc")
print([name for name in sys.modules if name.startswith(heavy)])
"""


def test_checking_imports_no_plugin_and_not_livekit_agents() -> None:
    command = [sys.executable, "-c", EVERYTHING]
    done = subprocess.run(command, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
